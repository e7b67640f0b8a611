"""What lies in each scope, with neighbours of equal structure folded into runs."""

from __future__ import annotations

from functools import cached_property

from cmt_dsl.cost import Cost, Tally
from cmt_dsl.ir import Graph, Node, Scope, TensorType, above, signature

Item = Node | Scope
Run = tuple[Item, ...]
"""One node or scope, or several scopes of equal structure that follow each other."""


class Folding:
    """A graph's items by scope, folded, with the sums of their costs; computed once, read often."""

    def __init__(self, graph: Graph, cost: Cost, *, fold: bool = True) -> None:
        self.graph, self.cost, self.fold = graph, cost, fold
        self.scopes: dict[str, Scope] = {scope.path: scope for scope in graph.scopes}

    def runs(self, path: str) -> list[Run]:
        """What lies directly in a scope ("" is the model), in order; equal neighbours together."""
        found: list[list[Item]] = []
        for item in self.graph.children[path]:
            if self.fold and found and self._same(found[-1][-1], item):
                found[-1].append(item)
            else:
                found.append([item])
        return [tuple(run) for run in found]

    def tally(self, run: Run) -> Tally:
        """The cost of everything in a run."""
        return sum((self._tallies.get(item.path, Tally()) for item in run), Tally())

    def type(self, item: Item) -> TensorType:
        """The type of an item's output."""
        return item.type if isinstance(item, Node) else self.graph.by_path[item.output].type

    @cached_property
    def _tallies(self) -> dict[str, Tally]:
        """The cost of each node, and of each scope by adding up its nodes."""
        sums = dict(self.cost.nodes)
        for path, tally in self.cost.nodes.items():
            for scope in above(path):
                if scope in self.scopes:
                    sums[scope] = sums.get(scope, Tally()) + tally
        return sums

    @cached_property
    def _inside(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {path: [] for path in self.scopes}
        for node in self.graph.nodes:
            for path in above(node.path):
                if path in found:
                    found[path].append(node)
        return found

    def _same(self, a: Item, b: Item) -> bool:
        return isinstance(a, Scope) and isinstance(b, Scope) and self.structure(a) == self.structure(b)

    def structure(self, scope: Scope) -> tuple[object, ...]:
        """What two scopes have in common when they are the same block with the same arguments."""
        below = scope.path + "."
        outside = {path: name for name, path in scope.inputs}
        return scope.block, tuple(
            (
                node.path[len(below) :],
                node.meaning,
                tuple(outside.get(i, i[len(below) :]) for i in node.inputs),
            )
            for node in self._inside[scope.path]
        )


def name(run: Run) -> str:
    """The path of a run: `stages.2.blocks.0–15`."""
    first, last = run[0].path, run[-1].path
    return first if len(run) == 1 else f"{first}–{last.rsplit('.', 1)[-1]}"


def words(node: Node) -> tuple[tuple[str, object], ...]:
    """A node's attributes that tell it apart: without shapes, initialisers and what is usual."""
    hidden = ("init", "bias", "height", "width", "channels", "shape")
    return tuple(
        (key, value)
        for key, value in signature(node.op)[1]
        if key not in hidden and value not in (False, 1, 0)
    )
