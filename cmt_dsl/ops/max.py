from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Samples
from cmt_dsl.ops.reduction import Reduction


@dataclass(frozen=True)
class Max(Reduction, kind="max"):
    """Maximum over `channels`, `height`, `width` or the whole `grid`, which stay with size 1."""

    family = "shape"

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].max(self.axes(x[0].ndim), keepdims=True)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        at = self.axes(len(ms.types[0].shape))
        return f"{ms.cell('ops.ReduceMax', True)}({x[0]}, {at})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return self.reduced(to, "ReduceMax", x[0])

    @staticmethod
    def samples() -> Samples:
        return Max.samples_of()
