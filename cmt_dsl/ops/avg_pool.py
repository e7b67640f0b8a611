from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, Op
from cmt_dsl.ops.pooling import Pooling
from cmt_dsl.ops.windows import windows


@dataclass(frozen=True)
class AvgPool(Pooling, kind="avg_pool"):
    """Mean of each window, `[n, c, h, w] -> [n, c, h', w']`, without padding."""

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return windows(x[0], self.kernel, self.stride).mean((-2, -1))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        pool = ms.cell("nn.AvgPool2d", self.kernel, self.stride)
        return f"{pool}({x[0]})"

    @staticmethod
    def samples() -> tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]:
        return ((AvgPool(2, 2), ((None, 3, 4, 6),)), (AvgPool(3, 1), ((None, 3, 4, 5),)))
