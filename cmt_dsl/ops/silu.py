from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Silu(Op, kind="silu"):
    """Sigmoid-weighted linear unit (swish), x[...] -> x[...]: x σ(x) (Ramachandran et al. 2017)."""

    family = "activation"

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return x[0] * np.exp(-np.logaddexp(x[0].dtype.type(0), -x[0]))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{x[0]} * ops.sigmoid({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        v = to.read(x[0], x[0].layout)
        return to.give(to.node("Mul", v, to.node("Sigmoid", v)), x[0].layout)

    @staticmethod
    def samples() -> Samples:
        return ((Silu(), ((None, 3, 4, 5),)), (Silu(), ((None, 6),)))
