"""What the operators that take one figure along named axes have in common."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from cmt_dsl.ir import Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.axes import Over, axes

_SHAPE = (None, 3, 4, 5)


@dataclass(frozen=True)
class Reduction(Op, kind="reduction"):
    """Base: along `over`, sizes become 1: `[n, c, h, w] -> [n, 1, h, w]` over the channels of a map."""

    family = "shape"

    over: Over

    def infer(self, *x: TensorType) -> TensorType:
        gone = axes(x[0], self.over)
        return TensorType(tuple(1 if i in gone else d for i, d in enumerate(x[0].shape)))

    def axes(self, rank: int) -> tuple[int, ...]:
        """Positions of the axes in a shape of that many."""
        return axes(TensorType((None, *(1,) * (rank - 1))), self.over)

    def total(self, ms: Emitter, x: str, mean: bool) -> str:
        """The MindSpore expression of the sum, or the mean, as a call of the cell `AxisSum`."""
        sizes, at = ms.types[0].shape, self.axes(len(ms.types[0].shape))
        count, after = (
            prod(s or 1 for s in sizes[at[0] : at[-1] + 1]),
            prod(s or 1 for s in sizes[at[-1] + 1 :]),
        )
        cell = ms.support("AxisSum", at, count, after, ms.out.sizes, 1 / count if mean else 1.0)
        return f"{cell}({x})"

    def reduced(self, to: OnnxEmitter, kind: str, x: OnnxValue) -> OnnxValue:
        """The ONNX nodes: over the channels or the grid of tokens where those are there, else of the map."""
        at = self.axes(len(to.types[0].shape))
        if x.layout == "tokens" and self.over in ("channels", "grid"):
            return to.give(to.reduce(kind, to.read(x, "tokens"), (2 if at == (1,) else 1,)), "tokens")
        return to.give(to.reduce(kind, to.read(x), at))

    @classmethod
    def samples_of(cls) -> Samples:
        """A map over each of its axes, and a vector."""
        made: Any = cls
        names = ("channels", "height", "width", "grid")
        return (*((made(over), (_SHAPE,)) for over in names), (made("channels"), ((None, 6),)))
