"""The graph: immutable nodes in order, the scopes they came from, and readings of both."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cmt_dsl.errors import CmtError, Place, did_you_mean
from cmt_dsl.ir.op import Op
from cmt_dsl.ir.paths import above
from cmt_dsl.ir.tensor import Init, Param, TensorType

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Node:
    """One operator at one path; `inputs` are the paths of the nodes it reads."""

    path: str
    op: Op
    inputs: tuple[str, ...]
    type: TensorType
    params: tuple[Param, ...] = ()
    place: Place | None = dataclasses.field(default=None, compare=False)

    def param_path(self, param: Param) -> str:
        """The parameter's name everywhere: the node's path, then its own (a bare one: the path)."""
        return f"{self.path}.{param.name}" if param.name else self.path

    @property
    def meaning(self) -> tuple[object, ...]:
        """What it computes, whatever it is called and whatever it reads: equal for nodes of one structure."""
        return (*signature(self.op), self.type)


@dataclass(frozen=True)
class Scope:
    """A block, a stage's embedding, the stem or the head: a part of the graph with one output."""

    path: str
    block: str
    inputs: tuple[tuple[str, str], ...]
    """Names of the block's inputs with the nodes bound to them."""
    output: str
    place: Place | None = dataclasses.field(default=None, compare=False)
    stage: bool = False
    """Whether it is a stage of the model, not a block that somebody called so."""


@dataclass(frozen=True)
class ParamInfo:
    """A parameter of the whole graph."""

    path: str
    shape: tuple[int, ...]
    init: Init | float
    trainable: bool
    decay: bool
    fan_out: int
    node: str


@dataclass(frozen=True)
class Graph:
    """A model as operators. Nodes are in topological order; paths are unique; the first is the image."""

    name: str
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    outputs: tuple[tuple[str, str], ...]
    """What the model gives, by name: the nodes whose values leave it. A classifier gives its `logits`."""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str], compare=False)
    """What drawings and pages call the files that places name: they are passed on, messages are not."""

    @cached_property
    def by_path(self) -> dict[str, Node]:
        """Nodes by path."""
        return {node.path: node for node in self.nodes}

    @cached_property
    def readers(self) -> dict[str, tuple[Node, ...]]:
        """The nodes that read each value which is read, in order."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for path in dict.fromkeys(node.inputs):
                found.setdefault(path, []).append(node)
        return {path: tuple(nodes) for path, nodes in found.items()}

    @cached_property
    def children(self) -> dict[str, tuple[Node | Scope, ...]]:
        """What lies directly in each scope, in order; the whole model's own under ""."""
        scopes = {scope.path: scope for scope in self.scopes}
        found: dict[str, list[Node | Scope]] = {path: [] for path in (*scopes, "")}
        placed: set[str] = set()
        for node in self.nodes:
            item: Node | Scope = node
            for path in [*(p for p in above(node.path) if p in scopes), ""]:
                if item.path not in placed:
                    placed.add(item.path)
                    found[path].append(item)
                item = scopes.get(path, item)
        return {path: tuple(items) for path, items in found.items()}

    def shared_place(self, item: Node | Scope) -> Place | None:
        """The place of a node or scope as drawings and pages say it."""
        place = item.place
        if place is None:
            return None
        return dataclasses.replace(place, file=self.files.get(place.file, place.file))

    @property
    def input(self) -> Node:
        """The image."""
        return self.nodes[0]

    @property
    def output(self) -> Node:
        """The first output: the logits (or the last stage's map, for a model without a head)."""
        return self.by_path[self.outputs[0][1]]

    @property
    def stages(self) -> tuple[str, ...]:
        """The output node of each stage: the feature pyramid."""
        return tuple(scope.output for scope in self.scopes if scope.stage)

    @cached_property
    def params(self) -> tuple[ParamInfo, ...]:
        """Every parameter and running statistic, in the order of the nodes."""
        return tuple(self._params())

    def _params(self) -> Iterator[ParamInfo]:
        for node in self.nodes:
            for p in node.params:
                path = node.param_path(p)
                yield ParamInfo(path, p.shape, p.init, p.trainable, p.decay, p.fan_out, node.path)

    def output_of(self, path: str) -> str:
        """The node whose value `path` means: a node, or the output of a block, stage, stem or head. CMT-404."""
        if path in self.by_path:
            return path
        outputs = {scope.path: scope.output for scope in self.scopes}
        if path in outputs:
            return outputs[path]
        parts = [p for p in outputs if p.count(".") <= path.count(".")]
        raise CmtError(
            "CMT-404", f"{self.name} has no node or block '{path}'", hint=did_you_mean(path, parts)
        )

    def needed(self, paths: Sequence[str]) -> tuple[Node, ...]:
        """The nodes that the values of the nodes `paths` need, in order; the image is always among them."""
        found = {*paths, self.input.path}
        for node in reversed(self.nodes):
            if node.path in found:
                found.update(node.inputs)
        return tuple(node for node in self.nodes if node.path in found)

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """The types of a node's inputs."""
        return tuple(self.by_path[path].type for path in node.inputs)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what the graph computes: paths, operators, wiring and parameter shapes.

        Attributes that only training reads (dropout and drop-path rates) and documentation are not in
        it, so a checkpoint fits its spec whatever the recipe did with them.
        """
        digest = hashlib.sha256()
        for node in self.nodes:
            shapes = [(p.name, p.shape) for p in node.params]
            line = (node.path, *signature(node.op), node.inputs, node.type.shape, shapes)
            digest.update(repr(line).encode())
        # what a spec builds ends with its output
        if [path for _, path in self.outputs] != [self.nodes[-1].path]:
            digest.update(repr(self.outputs).encode())
        return digest.hexdigest()

    def nx(self) -> networkx.MultiDiGraph[str]:
        """A networkx view: an edge for each input, so `add(x, x)` has two."""
        import networkx

        view: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(name=self.name)
        for node in self.nodes:
            view.add_node(node.path, op=node.op, type=node.type)
        for node in self.nodes:
            for position, source in enumerate(node.inputs):
                view.add_edge(source, node.path, position=position)
        return view


def signature(op: Op) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """An operator's kind and the attributes that are part of its structure."""
    return op.kind, op.structure()
