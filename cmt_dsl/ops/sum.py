from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Samples
from cmt_dsl.ops.reduction import Reduction


@dataclass(frozen=True)
class Sum(Reduction, kind="sum"):
    """Sum over `channels`, `height`, `width` or the whole `grid`, which stay with size 1."""

    family = "shape"

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].sum(self.axes(x[0].ndim), keepdims=True)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return self.total(ms, x[0], mean=False)

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return self.reduced(to, "ReduceSum", x[0])

    @staticmethod
    def samples() -> Samples:
        return Sum.samples_of()
