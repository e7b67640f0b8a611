from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Samples
from cmt_dsl.ops.attributes import pair
from cmt_dsl.ops.pooling import Pooling
from cmt_dsl.ops.windows import padded, windows

LOWEST = -65504.0
"""What stands around the map: nothing is less in float16, and less than this a trained map does not hold."""


@dataclass(frozen=True)
class MaxPool(Pooling, kind="max_pool"):
    """Maximum of each window, `[n, c, h, w] -> [n, c, h', w']`; padding never counts."""

    family = "shape"

    def numpy(self, p: Arrays, *x: Array) -> Array:
        around = padded(x[0], pair(self.padding), -float("inf"))
        return windows(around, pair(self.kernel), pair(self.stride)).max((-2, -1))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        pool = ms.cell("nn.MaxPool2d", self.kernel, self.stride)
        return f"{pool}({self.with_padding(ms, x[0], LOWEST)})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return self.pooled(to, "MaxPool", x[0])

    @staticmethod
    def samples() -> Samples:
        return (
            (MaxPool(2, 2), ((None, 3, 4, 6),)),
            (MaxPool(3, 1), ((None, 3, 4, 5),)),
            (MaxPool((1, 3), (1, 2)), ((None, 3, 4, 5),)),
            (MaxPool(3, 2, 1), ((None, 3, 8, 10),)),
            (MaxPool((5, 3), (1, 2), (2, 0)), ((None, 3, 4, 5),)),
        )
