"""The difference of two models as data: spec values, nodes by path, and cost by stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cmt_dsl.cost import Tally, cost
from cmt_dsl.diff.match import Pairing, pair
from cmt_dsl.diff.values import changes_of
from cmt_dsl.ir import Graph, Node, Scope, TensorType, above, block_numbers
from cmt_dsl.spec import Model
from cmt_dsl.spec.model import resolved_data


@dataclass(frozen=True)
class Change:
    """One value that is another: at a path of the spec, or an attribute of a node."""

    path: str
    attribute: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Part:
    """The stem, a stage, the head or the whole in both models; None where a model has none."""

    path: str
    output: tuple[TensorType | None, TensorType | None]
    depth: tuple[int | None, int | None]
    """Blocks of a stage."""
    tally: tuple[Tally | None, Tally | None]

    def delta(self, figure: str) -> int:
        """How much more B has of a figure of `Tally`."""
        mine, theirs = (getattr(t, figure) if t else 0 for t in self.tally)
        return theirs - mine

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        figures = ("trainable", "statistics", "macs", "activations")
        return {
            "path": self.path,
            "output": [list(t.shape) if t else None for t in self.output],
            "depth": list(self.depth),
            **{f: [getattr(t, f) if t else None for t in self.tally] for f in figures},
            "delta": {f: self.delta(f) for f in figures},
        }


@dataclass(frozen=True)
class Difference:
    """Everything that is different between A and B; empty lists where nothing is."""

    names: tuple[str, str]
    spec: tuple[Change, ...]
    """Values of the resolved specs; documentation and the model's name left out."""
    added: tuple[str, ...]
    """Nodes, or whole stages and blocks, that only B has, by its paths."""
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    changed: tuple[Change, ...]
    """Attributes and inputs of nodes in both, by A's paths."""
    parts: tuple[Part, ...]
    same_graph: bool
    """Whether the fingerprints are equal, so that a checkpoint of one fits the other."""
    pairing: Pairing = dataclasses.field(repr=False, compare=False)

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`; paths in full, nothing folded."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "equal": self.empty,
            "same_graph": self.same_graph,
            "spec": [dataclasses.asdict(change) for change in self.spec],
            "added": list(self.added),
            "removed": list(self.removed),
            "renamed": [{"a": a, "b": b} for a, b in self.renamed],
            "changed": [dataclasses.asdict(change) for change in self.changed],
            "parts": [part.json() for part in self.parts],
        }

    @property
    def empty(self) -> bool:
        """Whether there is no difference at all."""
        return not (self.spec or self.added or self.removed or self.renamed or self.changed)


def diff(a: tuple[Model, Graph], b: tuple[Model, Graph]) -> Difference:
    """The difference of two models with their graphs."""
    (model_a, graph_a), (model_b, graph_b) = a, b
    pairing = pair(graph_a, graph_b)
    back = {y: x for x, y in pairing.nodes.items()}
    return Difference(
        names=(model_a.name, model_b.name),
        spec=tuple(Change(*c) for c in changes_of(resolved_data(model_a), resolved_data(model_b))),
        added=tuple(_alone(graph_b, set(back), set(pairing.scopes.values()))),
        removed=tuple(_alone(graph_a, set(pairing.nodes), set(pairing.scopes))),
        renamed=tuple(pairing.renamed.items()),
        changed=tuple(_changed(graph_a, graph_b, pairing)),
        parts=tuple(_parts(graph_a, graph_b, pairing)),
        same_graph=graph_a.fingerprint == graph_b.fingerprint,
        pairing=pairing,
    )


def _alone(graph: Graph, nodes: set[str], scopes: set[str]) -> Iterator[str]:
    """What has no partner, the outermost of it: a block that is new is one entry."""
    mine = {scope.path for scope in graph.scopes}
    said: set[str] = set()
    for node in graph.nodes:
        if node.path in nodes:
            continue
        around = [p for p in reversed(above(node.path)) if p in mine and p not in scopes]
        path = around[0] if around else node.path
        if path not in said:
            said.add(path)
            yield path


def _changed(a: Graph, b: Graph, pairing: Pairing) -> Iterator[Change]:
    back = {y: x for x, y in pairing.nodes.items()}
    follows = _depths(a) != _depths(b)
    for path, other in pairing.nodes.items():
        x, y = a.by_path[path], b.by_path[other]
        if x.op.kind != y.op.kind:
            yield Change(path, "op", x.op.kind, y.op.kind)
        else:
            for name, mine, theirs in x.op.changes(y.op, training=True):
                # with another number of blocks, every block has another rate: no news
                if not (follows and name in x.op.data_like and block_numbers(path)):
                    yield Change(path, name, mine, theirs)
        reads_a = [_passed(a, i, pairing.nodes) for i in x.inputs]
        reads_b = [_passed(b, i, back) for i in y.inputs]
        if [pairing.nodes.get(i) for i in reads_a] != reads_b:
            yield Change(path, "in", list(x.inputs), list(y.inputs))


def _depths(graph: Graph) -> int:
    return sum(_depth(graph, scope) for scope in graph.scopes if scope.stage)


def _passed(graph: Graph, path: str, partners: dict[str, str]) -> str:
    """The node itself, or the nearest above it that has a partner: what is dropped passes its input on."""
    while path not in partners and graph.by_path[path].inputs:
        path = graph.by_path[path].inputs[0]
    return path


def _parts(a: Graph, b: Graph, pairing: Pairing) -> Iterator[Part]:
    costs = cost(a), cost(b)
    tops = [[i for i in g.children[""] if isinstance(i, Scope)] for g in (a, b)]
    partner = {y: x for x, y in pairing.scopes.items()}
    rows: list[tuple[Scope | None, Scope | None]] = []
    mine = {scope.path: scope for scope in tops[0]}
    for scope in tops[1]:
        rows.append((mine.pop(partner.get(scope.path, ""), None), scope))
    rows += [(scope, None) for scope in mine.values()]
    for x, y in rows:
        yield Part(
            " → ".join(dict.fromkeys(scope.path for scope in (x, y) if scope is not None)),
            (a.by_path[x.output].type if x else None, b.by_path[y.output].type if y else None),
            (_blocks(a, x), _blocks(b, y)),
            (costs[0].below(x.path) if x else None, costs[1].below(y.path) if y else None),
        )
    yield Part("total", (a.output.type, b.output.type), (None, None), (costs[0].total, costs[1].total))


def _blocks(graph: Graph, scope: Scope | None) -> int | None:
    return _depth(graph, scope) if scope is not None and scope.stage else None


def _depth(graph: Graph, scope: Scope) -> int:
    start = f"{scope.path}.blocks."
    return sum(
        not isinstance(item, Node) and item.path.startswith(start) for item in graph.children[scope.path]
    )
