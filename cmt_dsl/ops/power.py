from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Number


@dataclass(frozen=True)
class Power(Op, kind="power"):
    """x to a constant exponent, x[...] -> x[...]; where it is no whole number, x must be above 0."""

    family = "arithmetic"

    by: Number

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0] ** x[0].dtype.type(self.by)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.pow({x[0]}, {self.by!r})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("Pow", x[0], to.number(self.by))

    @staticmethod
    def samples() -> Samples:
        return tuple((Power(by), ((None, 3, 4, 5),)) for by in (2.0, 0.5, -0.5, 3.0))
