from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class HardSwish(Op, kind="hard_swish"):
    """x clip(x + 3, 0, 6) / 6, x[...] -> x[...] (MobileNetV3, section 5.2)."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return x[0] * np.clip(x[0] + 3, 0, 6) / 6

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{x[0]} * ops.relu6({x[0]} + 3.0) * (1.0 / 6.0)"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("HardSwish", x[0])

    @staticmethod
    def samples() -> Samples:
        return ((HardSwish(), ((None, 3, 4, 5),)), (HardSwish(), ((None, 6),)))
