from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Rate


@dataclass(frozen=True)
class DropPath(Op, kind="drop_path"):
    """Zero a whole image's branch with probability `rate` in training, scale by 1 / (1 - rate).

    Stochastic depth (Huang et al. 2016). The rate is data in the compiled cell, so blocks that
    differ in it alone share one graph.
    """

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
        return f"{ms.support('DropPath')}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return x[0]

    @staticmethod
    def samples() -> Samples:
        return ((DropPath(0.3), ((None, 3, 4, 5),)), (DropPath(0.0), ((None, 6),)))
