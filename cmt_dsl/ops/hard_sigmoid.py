from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class HardSigmoid(Op, kind="hard_sigmoid"):
    """clip(x + 3, 0, 6) / 6, x[...] -> x[...] (MobileNetV3, section 5.2): the gate of its SE blocks."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.clip(x[0] + 3, 0, 6) / 6

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.relu6({x[0]} + 3.0) * (1.0 / 6.0)"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("HardSigmoid", x[0], alpha=1 / 6, beta=0.5)

    @staticmethod
    def samples() -> Samples:
        return ((HardSigmoid(), ((None, 3, 4, 5),)), (HardSigmoid(), ((None, 6),)))
