from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Number


@dataclass(frozen=True)
class Scale(Op, kind="scale"):
    """Product with a constant, x[...] -> x[...]."""

    family = "arithmetic"

    by: Number

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0] * x[0].dtype.type(self.by)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{x[0]} * {self.by!r}"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.unary("Mul", x[0], to.number(self.by))

    @staticmethod
    def samples() -> Samples:
        return ((Scale(0.125), ((None, 3, 4, 5),)), (Scale(-2.0), ((None, 6),)))
