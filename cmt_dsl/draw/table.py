"""The rows of `cmt show`: blocks and operators in order, equal neighbours folded to ×N."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from cmt_dsl.cost import Cost, Tally
from cmt_dsl.ir import STAGE, Graph, Node, Scope, TensorType, signature

Level = Literal["model", "stage", "block", "op"]
LEVELS: tuple[Level, ...] = get_args(Level)


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
    deepest = {"model": 0, "stage": 1, "block": 2, "op": 99}[level]
    return list(_Rows(graph, cost, deepest).below("", 0))


class _Rows:
    def __init__(self, graph: Graph, cost: Cost, deepest: int) -> None:
        self.graph, self.cost, self.deepest = graph, cost, deepest

    def below(self, path: str, depth: int) -> Iterator[Row]:
        """Rows of what lies in a scope."""
        for run in self._runs(path):
            first = run[0]
            tally = sum((self.cost.below(item.path) for item in run), Tally())
            name = _name(run)
            label = name[len(path) + 1 :] if path else name
            yield Row(name, label, _what(first), len(run), depth, self._type(first), tally)
            if isinstance(first, Scope) and self._opens(first, depth):
                yield from self.below(first.path, depth + 1)

    def _opens(self, scope: Scope, depth: int) -> bool:
        """Whether the level shows what is in a scope; `stage` opens the stages alone."""
        return depth < self.deepest and (self.deepest > 1 or scope.block == STAGE)

    def _runs(self, path: str) -> list[list[Node | Scope]]:
        """Neighbours of equal structure, together."""
        runs: list[list[Node | Scope]] = []
        for item in self.graph.children[path]:
            if runs and isinstance(item, Scope) and self._same(runs[-1][-1], item):
                runs[-1].append(item)
            else:
                runs.append([item])
        return runs

    def _same(self, a: Node | Scope, b: Node | Scope) -> bool:
        return isinstance(a, Scope) and isinstance(b, Scope) and self._structure(a) == self._structure(b)

    def _structure(self, scope: Scope) -> tuple[object, ...]:
        below = scope.path + "."
        outside = {path: name for name, path in scope.inputs}
        nodes = [n for n in self.graph.nodes if n.path.startswith(below)]
        return scope.block, tuple(
            (
                n.path[len(below) :],
                signature(n.op),
                n.type,
                tuple(outside.get(i, i[len(below) :]) for i in n.inputs),
            )
            for n in nodes
        )

    def _type(self, item: Node | Scope) -> TensorType:
        return item.type if isinstance(item, Node) else self.graph.by_path[item.output].type


def _name(run: list[Node | Scope]) -> str:
    first, last = run[0].path, run[-1].path
    return first if len(run) == 1 else f"{first}–{last.rsplit('.', 1)[-1]}"


def _what(item: Node | Scope) -> str:
    if isinstance(item, Scope):
        return item.block
    kind, attributes = signature(item.op)
    shown = {
        name: value
        for name, value in attributes
        if name not in ("init", "bias", "height", "width", "channels", "shape")
    }
    words = [f"{name}={value}" for name, value in shown.items() if value not in (False, 1, 0)]
    return f"{kind}({', '.join(words)})" if words else kind
