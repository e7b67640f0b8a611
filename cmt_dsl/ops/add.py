from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType, broadcast


@dataclass(frozen=True)
class Add(Op, kind="add"):
    """Sum of two values, broadcast from the right: a residual, a bias."""

    family = "arithmetic"

    arity = (2, 2)

    def infer(self, *x: TensorType) -> TensorType:
        return broadcast(x[0], x[1])

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0] + x[1]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{x[0]} + {x[1]}"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.binary("Add", x[0], x[1])

    @staticmethod
    def samples() -> Samples:
        return (
            (Add(), ((None, 3, 4, 5), (None, 3, 4, 5))),
            (Add(), ((None, 2, 4, 5), (2, 4, 5))),
            (Add(), ((None, 2, 4, 5), (1,))),
        )
