"""Which stage, block and operator of one graph is which of another, by name and by structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from cmt_dsl.diff.isomorphism import isomorphic
from cmt_dsl.ir import Graph, Node, Scope, above

Item = Node | Scope


@dataclass(frozen=True)
class Pairing:
    """Paths of A with the paths of B they became; what is in neither was removed or added."""

    nodes: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """Those that have another name below the scope around them: renamed, or moved within it."""


def pair(a: Graph, b: Graph) -> Pairing:
    """Pair two graphs from the outside in.

    Within a pair of scopes, items are paired that have one name and one structure; then those of one
    structure under other names (recognised by isomorphism); then those of one name, to be compared
    within. What is left has no partner.
    """
    matching = _Matching(_Side(a), _Side(b))
    matching.inside("", "")
    return matching.found


class _Side:
    """A graph with what lies in each scope."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def inside(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {scope.path: [] for scope in self.graph.scopes}
        for node in self.graph.nodes:
            for path in above(node.path):
                if path in found:
                    found[path].append(node)
        return {path: tuple(nodes) for path, nodes in found.items()}

    def items(self, path: str) -> dict[str, Item]:
        """What lies directly in a scope, by the name below it."""
        start = len(path) + 1 if path else 0
        return {item.path[start:]: item for item in self.graph.children[path]}


class _Matching:
    def __init__(self, a: _Side, b: _Side) -> None:
        self.a, self.b = a, b
        self.found = Pairing()
        self._known: dict[tuple[str, str], bool] = {}

    def inside(self, path_a: str, path_b: str) -> None:
        """Pair what lies in two scopes that are a pair."""
        left, right = self.a.items(path_a), self.b.items(path_b)
        names_a, names_b = set(left), set(right)
        for name in [n for n in left if n in right and self._same(left[n], right[n])]:
            self._pair(left.pop(name), right.pop(name), renamed=False)
        for name, item in list(left.items()):
            for other, candidate in right.items():
                # an operator whose name still stands changed; it did not move
                fixed = isinstance(item, Node) and (name in names_b or other in names_a)
                if not fixed and self._same(item, candidate):
                    self._pair(left.pop(name), right.pop(other), renamed=True)
                    break
        for name in [n for n in left if n in right and type(left[n]) is type(right[n])]:
            self._pair(left.pop(name), right.pop(name), renamed=False)

    def _pair(self, x: Item, y: Item, *, renamed: bool) -> None:
        if renamed:
            self.found.renamed[x.path] = y.path
        if isinstance(x, Node):
            self.found.nodes[x.path] = y.path
        else:
            self.found.scopes[x.path] = y.path
            self.inside(x.path, y.path)

    def _same(self, x: Item, y: Item) -> bool:
        if isinstance(x, Node) and isinstance(y, Node):
            return x.meaning == y.meaning
        if isinstance(x, Node) or isinstance(y, Node):
            return False
        key = (x.path, y.path)
        if key not in self._known:
            mine, theirs = self.a.inside[x.path], self.b.inside[y.path]
            self._known[key] = isomorphic(self.a.graph, mine, self.b.graph, theirs)
        return self._known[key]
