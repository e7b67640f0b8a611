from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Sigmoid(Op, kind="sigmoid"):
    """Logistic function, x[...] -> x[...]: 1 / (1 + exp(-x))."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.exp(-np.logaddexp(x[0].dtype.type(0), -x[0]))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.sigmoid({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("Sigmoid", x[0])

    @staticmethod
    def samples() -> Samples:
        return ((Sigmoid(), ((None, 3, 4, 5),)), (Sigmoid(), ((None, 6),)))
