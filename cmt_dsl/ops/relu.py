from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Relu(Op, kind="relu"):
    """Rectified linear unit, x[...] -> x[...]: max(x, 0)."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.maximum(x[0], 0)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.relu({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("Relu", x[0])

    @staticmethod
    def samples() -> Samples:
        return ((Relu(), ((None, 3, 4, 5),)), (Relu(), ((None, 6),)))
