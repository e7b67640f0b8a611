from __future__ import annotations

from dataclasses import dataclass, field

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import LATER, Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Samples, TensorType
from cmt_dsl.ops.attributes import Flag, pair
from cmt_dsl.ops.pooling import Pooling
from cmt_dsl.ops.windows import padded, windows


@dataclass(frozen=True)
class AvgPool(Pooling, kind="avg_pool"):
    """Mean of each window, `[n, c, h, w] -> [n, c, h', w']`.

    With padding, `count_padding` says whether its zeros count in the mean; frameworks and papers disagree.
    """

    family = "shape"

    count_padding: Flag | None = field(default=None, metadata=LATER)

    def infer(self, *x: TensorType) -> TensorType:
        if (self.padding != 0) != (self.count_padding is not None):
            message = "padding and 'count_padding' go together"
            hint = "true divides by the whole window (PyTorch's default), false by the positions that are in the map"
            raise ShapeError("CMT-141", message, attribute="padding", hint=hint)
        return super().infer(*x)

    def numpy(self, p: Arrays, *x: Array) -> Array:
        around = padded(x[0], pair(self.padding))
        y = windows(around, pair(self.kernel), pair(self.stride)).mean((-2, -1))
        return y / self._inside(x[0]) if self.count_padding is False else y

    def _inside(self, x: Array) -> Array:
        """The share of each window that lies in the map."""
        import numpy as np

        ones = padded(np.ones((1, 1, *x.shape[2:]), x.dtype), pair(self.padding))
        return windows(ones, pair(self.kernel), pair(self.stride)).mean((-2, -1))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        around = self.with_padding(ms, x[0], 0.0)
        if self.count_padding is False:
            _, h, w = ms.types[0].map()
            return f"{ms.support('AvgPoolInside', self.kernel, self.stride, (h, w))}({x[0]}, {around})"
        return f"{ms.cell('nn.AvgPool2d', self.kernel, self.stride)}({around})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return self.pooled(to, "AveragePool", x[0], count_include_pad=int(self.count_padding is True))

    @staticmethod
    def samples() -> Samples:
        return (
            (AvgPool(2, 2), ((None, 3, 4, 6),)),
            (AvgPool(3, 1), ((None, 3, 4, 5),)),
            (AvgPool((2, 1), (2, 1)), ((None, 3, 4, 5),)),
            (AvgPool(3, 1, 1, count_padding=False), ((None, 3, 4, 5),)),
            (AvgPool((3, 5), (2, 1), (1, 2), count_padding=True), ((None, 3, 4, 5),)),
        )
