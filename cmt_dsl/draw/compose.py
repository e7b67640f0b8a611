"""A graph and its cost to a `Scene`: what a level shows, folded, with edges between what is shown."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

from cmt_dsl.cost import Cost
from cmt_dsl.draw.fold import Folding, Item, Run, name, words
from cmt_dsl.draw.scene import Box, Cluster, Edge, EdgeKind, Family, Figures, Scene
from cmt_dsl.draw.table import DEPTH, Level, opens
from cmt_dsl.errors import CmtError, did_you_mean
from cmt_dsl.ir import Graph, Node, Scope, above


def compose(
    graph: Graph, cost: Cost, level: Level = "block", path: str = "", *, doc: str = "", fold: bool = True
) -> Scene:
    """The drawing of a graph, or of its scope `path`, at a level; raises CMT-410 for an unknown path.

    A scope named by `path` is always opened. With `fold` false every instance of a repeated block is
    drawn.
    """
    if path and path not in {scope.path for scope in graph.scopes}:
        raise _unknown(graph, path)
    return _Composer(graph, cost, level, path, fold).scene(doc)


class _Composer:
    def __init__(self, graph: Graph, cost: Cost, level: Level, path: str, fold: bool) -> None:
        self.graph, self.cost, self.level, self.path = graph, cost, level, path
        self.folding = Folding(graph, cost, fold=fold)
        self.deepest = DEPTH[level]
        self.boxes: list[Box] = []
        self.clusters: list[Cluster] = []
        self.home: dict[str, str] = {}
        """The box of each node that is drawn, folded instances included."""
        self.instance: dict[str, tuple[str, ...]] = {}
        """For each node, the instances of opened runs that it lies in."""
        self.readers = Counter(source for node in graph.nodes for source in node.inputs)

    def scene(self, doc: str) -> Scene:
        """Everything, put together."""
        if self.path:
            scope = self.folding.scopes[self.path]
            self._open((scope,), "", self.path, 1, ())
            inside = [n.path for n in self.graph.nodes if n.path.startswith(f"{self.path}.")]
            self._outside(inside)
        else:
            self._below("", "", 0, 1, ())
        edges = tuple(_residuals(self.boxes, list(self._edges())))
        order = {node.path: i for i, node in enumerate(self.graph.nodes)}
        blocks = dict.fromkeys(s.block for s in self.graph.scopes if not s.stage)
        self.boxes.sort(key=lambda box: self._first(box, order))
        return Scene(
            self.graph.name, doc, self.level, self.path, tuple(self.boxes), tuple(self.clusters), edges,
            Figures.of(self.cost.total, self.cost.total), tuple(blocks),
        )  # fmt: skip

    def _first(self, box: Box, order: dict[str, int]) -> int:
        if box.path in order:
            return order[box.path]
        scope = self.folding.scopes[box.path]
        return order[scope.output]

    def _below(self, path: str, cluster: str, depth: int, times: int, within: tuple[str, ...]) -> None:
        for run in self.folding.runs(path):
            first, whole = run[0], name(run)
            title = whole[len(path) + 1 :] if path else whole
            if isinstance(first, Scope) and opens(first, depth, self.deepest):
                self._open(run, cluster, title, times, within)
            else:
                self._box(run, cluster, title, times, within)

    def _open(self, run: Run, cluster: str, title: str, times: int, within: tuple[str, ...]) -> None:
        first = run[0]
        family: Family = "stage" if isinstance(first, Scope) and first.stage else "block"
        self.clusters.append(
            Cluster(
                first.path, title, _block(first), family, tuple(item.path for item in run), times * len(run),
                self.folding.type(first).shape, self._figures(run), cluster, self.graph.shared_place(first),
            )
        )  # fmt: skip
        depth = 1 + sum(above_ in self.folding.scopes for above_ in above(first.path))
        self._below(first.path, first.path, depth, times * len(run), (*within, first.path))
        for item in run[1:]:  # the boxes of the first instance stand for those of the others
            below = f"{item.path}."
            for node in self.graph.nodes:
                if node.path.startswith(below):
                    twin = f"{first.path}.{node.path[len(below) :]}"
                    self.home[node.path] = self.home[twin]
                    self.instance[node.path] = (*within, item.path, *self.instance[twin][len(within) + 1 :])

    def _box(self, run: Run, cluster: str, title: str, times: int, within: tuple[str, ...]) -> None:
        first = run[0]
        box = Box(
            first.path, title, _block(first), _family(first), tuple(item.path for item in run),
            times * len(run), self.folding.type(first).shape, self._figures(run), cluster, self.graph.shared_place(first),
        )  # fmt: skip
        if isinstance(first, Node):
            fields = dataclasses.fields(first.op)  # type: ignore[arg-type]
            several = not first.type.batched and self.readers[first.path] > 1
            box = dataclasses.replace(
                box,
                attributes=tuple((f.name, getattr(first.op, f.name)) for f in fields),
                brief=words(first),
                training_only=first.op.training_only,
                shared_by=self.readers[first.path] if several else 0,
            )
        self.boxes.append(box)
        paths = tuple(item.path for item in run)
        for node in self.graph.nodes if isinstance(first, Scope) else (first,):
            if isinstance(first, Node) or node.path.startswith(tuple(f"{p}." for p in paths)):
                self.home[node.path] = first.path
                self.instance[node.path] = within

    def _figures(self, run: Run) -> Figures:
        return Figures.of(self.folding.tally(run), self.cost.total)

    def _outside(self, inside: list[str]) -> None:
        """Boxes for the values that the drawn part reads from elsewhere."""
        known = set(inside)
        names = {path: key for key, path in self.folding.scopes[self.path].inputs}
        for path in dict.fromkeys(i for p in inside for i in self.graph.by_path[p].inputs if i not in known):
            node = self.graph.by_path[path]
            nothing = Figures(0, 0, 0, 0, 0.0, 0.0)
            title = names.get(path, path)
            several = 0 if node.type.batched else self.readers[path]
            self.boxes.append(
                Box(
                    path, title, path, "outside", (path,), 1, node.type.shape, nothing, "", self.graph.shared_place(node),
                    shared_by=several if several > 1 else 0,
                )
            )  # fmt: skip
            self.home[path], self.instance[path] = path, ()

    def _edges(self) -> Iterator[Edge]:
        shared = {box.path for box in self.boxes if box.shared_by}
        seen: set[tuple[str, str]] = set()
        for node in self.graph.nodes:
            if node.path not in self.home:
                continue
            target = self.home[node.path]
            for path in node.inputs:
                source = self.home.get(path)
                if source is None or (source, target) in seen or self._between_instances(path, node.path):
                    continue
                if source != target:
                    seen.add((source, target))
                    kind: EdgeKind = "shared" if source in shared else "flow"
                    yield Edge(source, target, kind)

    def _between_instances(self, a: str, b: str) -> bool:
        """Whether an edge leads from one instance of an opened run to the next: the ×N says that."""
        return any(
            x != y and self._run_of(x) == self._run_of(y)
            for x, y in zip(self.instance[a], self.instance[b], strict=False)
        )

    def _run_of(self, instance: str) -> str:
        return next((c.path for c in self.clusters if instance in c.instances), instance)


def _residuals(boxes: list[Box], edges: list[Edge]) -> Iterator[Edge]:
    """Edges into an addition that skip what lies beside them are residual."""
    sources: dict[str, list[str]] = {}
    for edge in edges:
        sources.setdefault(edge.target, []).append(edge.source)
    additions = {box.path for box in boxes if box.what == "add" and len(sources.get(box.path, ())) > 1}
    for edge in edges:
        others = [s for s in sources[edge.target] if s != edge.source]
        if edge.kind == "flow" and edge.target in additions and _reaches(edge.source, others, sources):
            yield dataclasses.replace(edge, kind="residual")
        else:
            yield edge


def _reaches(source: str, targets: list[str], sources: dict[str, list[str]]) -> bool:
    stack, seen = list(targets), set(targets)
    while stack:
        path = stack.pop()
        if path == source:
            return True
        fresh = [p for p in sources.get(path, ()) if p not in seen]
        seen.update(fresh)
        stack += fresh
    return False


def _block(item: Item) -> str:
    return item.block if isinstance(item, Scope) else item.op.kind


def _family(item: Item) -> Family:
    if isinstance(item, Scope):
        return "stage" if item.stage else "block"
    return item.op.family


def _unknown(graph: Graph, path: str) -> CmtError:
    scopes = [scope.path for scope in graph.scopes]
    hint = did_you_mean(path, scopes)
    node = graph.by_path.get(path)
    if node is not None:
        holder = next((p for p in above(path) if p in set(scopes)), "")
        hint = f"it is one operator: draw {holder} at level op" if holder else "it is one operator"
    elif not hint and any(scope.startswith(f"{path}.") for scope in scopes):
        hint = f"draw one of them, such as {next(s for s in scopes if s.startswith(f'{path}.'))}"
    return CmtError("CMT-410", f"'{path}' is no stage or block of {graph.name}", hint=hint, path=path)
