from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Relu6(Op, kind="relu6"):
    """Rectified linear unit cut at 6, x[...] -> x[...] (MobileNet)."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.clip(x[0], 0, 6)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.relu6({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("Clip", x[0], to.number(0.0), to.number(6.0))

    @staticmethod
    def samples() -> Samples:
        return ((Relu6(), ((None, 3, 4, 5),)), (Relu6(), ((None, 6),)))
