"""The rows of `cmt show`: blocks and operators in order, equal neighbours folded to ×N."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from cmt_dsl.cost import Cost, Tally
from cmt_dsl.draw.fold import Folding, Item, name, words
from cmt_dsl.ir import Graph, GraphLevel, Scope, TensorType, spelled

Level = GraphLevel
LEVELS: tuple[Level, ...] = get_args(Level)
DEPTH: dict[Level, int] = {"model": 0, "stage": 1, "block": 2, "op": 99}
"""How many scopes lie above the deepest item that a level shows."""


@dataclass(frozen=True)
class Row:
    """One line: a block or an operator, or `count` equal ones that follow each other."""

    path: str
    label: str
    """The path below the row that this one lies in."""
    what: str
    count: int
    depth: int
    type: TensorType
    tally: Tally
    """Of all `count` together."""

    def json(self) -> dict[str, object]:
        """Plain data for `--json`."""
        shape = list(self.type.shape)
        return {
            "path": self.path,
            "what": self.what,
            "count": self.count,
            "output": shape,
            **self.tally.json(),
        }


def rows(graph: Graph, cost: Cost, level: Level) -> list[Row]:
    """The graph at a level: stem, stages, head; what is in them; what is in blocks; every operator."""
    return list(_below(Folding(graph, cost), DEPTH[level], "", 0))


def opens(scope: Scope, depth: int, deepest: int) -> bool:
    """Whether a level shows what is in a scope; `stage` opens the stages alone."""
    return depth < deepest and (deepest > 1 or scope.stage)


def _below(folding: Folding, deepest: int, path: str, depth: int) -> Iterator[Row]:
    for run in folding.runs(path):
        first, whole = run[0], name(run)
        label = whole[len(path) + 1 :] if path else whole
        yield Row(whole, label, _what(first), len(run), depth, folding.type(first), folding.tally(run))
        if isinstance(first, Scope) and opens(first, depth, deepest):
            yield from _below(folding, deepest, first.path, depth + 1)


def _what(item: Item) -> str:
    if isinstance(item, Scope):
        return item.block
    shown = ", ".join(f"{key}={spelled(value)}" for key, value in words(item))
    return f"{item.op.kind}({shown})" if shown else item.op.kind
