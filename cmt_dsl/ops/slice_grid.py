from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Count, Index


@dataclass(frozen=True)
class SliceGrid(Op, kind="slice_grid"):
    """Rows (`over: height`) or columns (`over: width`) `start` to `stop - 1` of a map."""

    family = "shape"

    over: Literal["height", "width"]
    start: Index
    stop: Count

    def infer(self, *x: TensorType) -> TensorType:
        c, h, w = x[0].map()
        size = h if self.over == "height" else w
        if not self.start < self.stop <= size:
            message = f"{self.start} to {self.stop} is no range of a {self.over} of {size}"
            raise ShapeError("CMT-203", message, attribute="stop")
        kept = self.stop - self.start
        return TensorType((None, c, kept, w) if self.over == "height" else (None, c, h, kept))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        kept = slice(self.start, self.stop)
        return x[0][:, :, kept] if self.over == "height" else x[0][..., kept]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        axis = 2 if self.over == "height" else 3
        return f"ops.narrow({x[0]}, {axis}, {self.start}, {self.stop - self.start})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        bounds = to.sizes(self.start), to.sizes(self.stop), to.sizes(2 if self.over == "height" else 3)
        return to.give(to.node("Slice", to.read(x[0]), *bounds))

    @staticmethod
    def samples() -> Samples:
        shape = ((None, 3, 4, 5),)
        return (SliceGrid("height", 1, 4), shape), (SliceGrid("width", 0, 2), shape)
