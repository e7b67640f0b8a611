from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Tanh(Op, kind="tanh"):
    """Hyperbolic tangent, x[...] -> x[...]."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.tanh(x[0])

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{ms.support('Tanh')}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("Tanh", x[0])

    @staticmethod
    def samples() -> Samples:
        return ((Tanh(), ((None, 3, 4, 5),)), (Tanh(), ((None, 6),)))
