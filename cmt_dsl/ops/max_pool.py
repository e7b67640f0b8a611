from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, Op
from cmt_dsl.ops.pooling import Pooling
from cmt_dsl.ops.windows import windows


@dataclass(frozen=True)
class MaxPool(Pooling, kind="max_pool"):
    """Maximum of each window, `[n, c, h, w] -> [n, c, h', w']`, without padding."""

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return windows(x[0], self.kernel, self.stride).max((-2, -1))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        pool = ms.cell("nn.MaxPool2d", self.kernel, self.stride)
        return f"{pool}({x[0]})"

    @staticmethod
    def samples() -> tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]:
        return ((MaxPool(2, 2), ((None, 3, 4, 6),)), (MaxPool(3, 1), ((None, 3, 4, 5),)))
