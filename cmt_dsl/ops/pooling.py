"""What the pools over windows have in common: attributes and shapes."""

from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Op, TensorType
from cmt_dsl.ops.attributes import Count
from cmt_dsl.ops.windows import window


@dataclass(frozen=True)
class Pooling(Op, kind="pooling"):
    """Base of the pools, `[n, c, h, w] -> [n, c, h', w']`, without padding; windows must cover the grid."""

    kernel: Count
    stride: Count

    def infer(self, *x: TensorType) -> TensorType:
        c, h, w = x[0].map()
        for side, name in ((h, "height"), (w, "width")):
            if side < self.kernel:
                message = f"a {self.kernel}-wide window does not fit a {name} of {side}"
                raise ShapeError("CMT-202", message, attribute="kernel")
            if (side - self.kernel) % self.stride:
                message = (
                    f"windows of {self.kernel} at stride {self.stride} leave part of the {name} {side} over"
                )
                raise ShapeError("CMT-202", message, attribute="stride")
        sides = (window(s, self.kernel, self.stride, 0) for s in (h, w))
        return TensorType((None, c, *sides))
