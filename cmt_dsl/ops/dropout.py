from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Rate


@dataclass(frozen=True)
class Dropout(Op, kind="dropout"):
    """Zero each element with probability `rate` in training, scale by 1 / (1 - rate); else identity."""

    family = "noise"
    random = True
    passes_on = True

    rate: Rate
    training_only = True
    data_like = ("rate",)

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        if self.rate == 0:
            return x[0]
        return f"{ms.support('Dropout', self.rate)}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return x[0]

    @staticmethod
    def samples() -> Samples:
        return ((Dropout(0.3), ((None, 3, 4, 5),)), (Dropout(0.0), ((None, 6),)))
