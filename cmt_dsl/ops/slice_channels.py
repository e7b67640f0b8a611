from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Count, Index


@dataclass(frozen=True)
class SliceChannels(Op, kind="slice_channels"):
    """Channels `start` to `stop - 1` of a value, `[n, c, …] -> [n, stop - start, …]`."""

    family = "shape"

    start: Index
    stop: Count

    def infer(self, *x: TensorType) -> TensorType:
        if not x[0].batched or len(x[0].shape) < 2:
            raise ShapeError("CMT-204", f"needs a value with a batch and channels, not {x[0]}")
        c = x[0].sizes[0]
        if not self.start < self.stop <= c:
            message = f"{self.start} to {self.stop} is no range of {c} channels"
            raise ShapeError("CMT-203", message, attribute="stop")
        return TensorType((None, self.stop - self.start, *x[0].shape[2:]))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0][:, self.start : self.stop]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.narrow({x[0]}, 1, {self.start}, {self.stop - self.start})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        layout = x[0].layout if x[0].layout in ("map", "tokens") else "map"
        bounds = to.sizes(self.start), to.sizes(self.stop), to.sizes(2 if layout == "tokens" else 1)
        return to.give(to.node("Slice", to.read(x[0], layout), *bounds), layout)

    @staticmethod
    def samples() -> Samples:
        return ((SliceChannels(1, 3), ((None, 4, 4, 5),)), (SliceChannels(0, 2), ((None, 4),)))
