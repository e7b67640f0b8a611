from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, Op, TensorType
from cmt_dsl.ops.attributes import Count
from cmt_dsl.ops.windows import window, windows


@dataclass(frozen=True)
class MaxPool(Op, kind="max_pool"):
    """Maximum of each window, `[n, c, h, w] -> [n, c, h', w']`, without padding."""

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
                    f"windows of {self.kernel} at stride {self.stride} leave rows of the {name} {side} over"
                )
                raise ShapeError("CMT-202", message, attribute="stride")
        sides = (window(s, self.kernel, self.stride, 0) for s in (h, w))
        return TensorType((None, c, *sides))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return windows(x[0], self.kernel, self.stride).max((-2, -1))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        pool = ms.cell("nn.MaxPool2d", self.kernel, self.stride)
        return f"{pool}({x[0]})"

    @staticmethod
    def samples() -> tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]:
        return ((MaxPool(2, 2), ((None, 3, 4, 6),)), (MaxPool(3, 1), ((None, 3, 4, 5),)))
