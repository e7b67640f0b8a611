from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Count


@dataclass(frozen=True)
class MergeHeads(Op, kind="merge_heads"):
    """Attention's output back as a map, `[n, heads, d, height·width] -> [n, heads·d, height, width]`."""

    family = "attention"
    sized = True

    height: Count
    width: Count

    def infer(self, *x: TensorType) -> TensorType:
        if len(x[0].shape) != 4 or not x[0].batched:
            raise ShapeError("CMT-204", f"needs [n, heads, d, tokens], not {x[0]}")
        heads, width, tokens = x[0].sizes
        if tokens != self.height * self.width:
            message = f"{tokens} tokens do not fill a grid of {self.height}×{self.width}"
            raise ShapeError("CMT-203", message, attribute="height")
        return TensorType((None, heads * width, self.height, self.width))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].reshape(x[0].shape[0], -1, self.height, self.width)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        _, channels, height, width = ms.out.shape
        return f"{x[0]}.reshape(({x[0]}.shape[0], {channels}, {height}, {width}))"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        if x[0].layout == "map":
            return to.give(to.reshape(to.read(x[0]), *to.out.sizes))
        heads, width, tokens = to.types[0].sizes
        return to.give(to.reshape(to.read(x[0], "split"), tokens, heads * width), "tokens")

    @staticmethod
    def samples() -> Samples:
        return ((MergeHeads(4, 5), ((None, 3, 2, 20),)),)
