"""Surgery: a graph with other nodes, wiring or outputs, its scopes and order made right again, or a reason why not.

Every change ends in `Surgery.done`, which leaves out what no longer leads to an output, infers all types anew, gives each
scope the inputs and the one output it then has, and puts nodes into an order in which every scope can be computed whole.
What cannot be such a graph is refused with CMT-302; what comes out passes `verify`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from cmt_dsl.errors import CmtError
from cmt_dsl.ir.graph import Graph, Node, Scope
from cmt_dsl.ir.op import Op
from cmt_dsl.ir.paths import below
from cmt_dsl.ir.scoping import Order, refused, typed
from cmt_dsl.ir.tensor import TensorType
from cmt_dsl.ir.verify import verify


def cut(graph: Graph, outputs: Mapping[str, str] | Sequence[str]) -> Graph:
    """The part that computes `outputs`: names with paths of nodes or scopes, or paths that name themselves.

    A block that an output lies in ends there. Raises CMT-404, and CMT-302 where two values would leave a block.
    """
    named = outputs if isinstance(outputs, Mapping) else {path: path for path in outputs}
    surgery = Surgery(graph)
    surgery.outputs = {name: graph.output_of(path) for name, path in named.items()}
    return surgery.done()


def replace(graph: Graph, path: str, op: Op, inputs: Sequence[str] | None = None) -> Graph:
    """Another operator at a node's place, with its inputs or others. CMT-302, 404."""
    surgery = Surgery(graph)
    surgery.put(path, op, surgery.node(path).inputs if inputs is None else inputs)
    return surgery.done()


def insert(
    graph: Graph, path: str, op: Op, inputs: Sequence[str], readers: Iterable[str] | None = None
) -> Graph:
    """A new node at `path`; the `readers` of its first input, or all of them and the outputs, read it instead. CMT-302."""
    surgery = Surgery(graph)
    surgery.insert(path, op, inputs, readers)
    return surgery.done()


def remove(graph: Graph, path: str, position: int = 0) -> Graph:
    """Without a node: what read it reads its input at `position`. CMT-302, 404."""
    surgery = Surgery(graph)
    surgery.remove(path, position)
    return surgery.done()


def rename(graph: Graph, old: str, new: str) -> Graph:
    """A node, or a scope with all that lies in it, under another path; its parameters follow. CMT-302, 404."""
    surgery = Surgery(graph)
    surgery.rename(old, new)
    return surgery.done()


class Surgery:
    """A graph under change. Types may be wrong and scopes torn until `done`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: dict[str, Node] = {node.path: node for node in graph.nodes}
        self.scopes: dict[str, Scope] = {scope.path: scope for scope in graph.scopes}
        self.outputs: dict[str, str] = dict(graph.outputs)
        self._place = {node.path: float(i) for i, node in enumerate(graph.nodes)}

    def node(self, path: str) -> Node:
        """The node as it is now; CMT-404."""
        if path not in self.nodes:
            raise CmtError("CMT-404", f"{self.graph.name} has no node '{path}'", path=path)
        return self.nodes[path]

    def readers(self, path: str) -> list[Node]:
        """The nodes that read a value, in order."""
        return [node for node in self.nodes.values() if path in node.inputs]

    def put(self, path: str, op: Op, inputs: Sequence[str]) -> None:
        """A node, instead of the one at that path if there is one. CMT-302 for inputs that are not there."""
        for read in inputs:
            if read == path:
                raise refused(path, "it would read itself")
            if read not in self.nodes:
                raise refused(path, f"there is no '{read}' to read")
        old = self.nodes.get(path)
        if old is None and path in self.scopes:
            raise refused(path, "a block has this path")
        if (old is not None and old.op.kind == "input") or op.kind == "input":
            raise refused(path, "the image stays what it is")
        near = self.nodes[inputs[0]] if inputs else None
        place = old.place if old is not None else (near.place if near is not None else None)
        self.nodes[path] = Node(path, op, tuple(inputs), TensorType(()), (), place)
        if old is None:
            after = max((self._place[read] for read in inputs), default=0.0)
            later = [at for at in self._place.values() if at > after]
            self._place[path] = (after + min(later)) / 2 if later else after + 1

    def read_instead(self, old: str, new: str, readers: Iterable[str] | None = None) -> None:
        """The `readers` of `old`, or all of them and the outputs, read `new`."""
        chosen = None if readers is None else set(readers)
        for node in self.readers(old):
            if node.path != new and (chosen is None or node.path in chosen):
                inputs = tuple(new if path == old else path for path in node.inputs)
                self.nodes[node.path] = dataclasses.replace(node, inputs=inputs)
        if chosen is None:
            self.outputs = {name: new if path == old else path for name, path in self.outputs.items()}
            # of a scope without nodes, which is its input under another name
            for scope in self.scopes.values():
                if scope.output == old:
                    self.scopes[scope.path] = dataclasses.replace(scope, output=new)

    def insert(self, path: str, op: Op, inputs: Sequence[str], readers: Iterable[str] | None = None) -> None:
        """See the function `insert`."""
        if path in self.nodes:
            raise refused(path, "a node has this path")
        chosen = None if readers is None else list(readers)
        for reader in chosen or ():
            if not inputs or inputs[0] not in self.node(reader).inputs:
                raise refused(path, f"'{reader}' does not read {inputs[0] if inputs else 'it'}")
        self.put(path, op, inputs)
        if inputs:
            self.read_instead(inputs[0], path, chosen)

    def remove(self, path: str, position: int = 0) -> None:
        """See the function `remove`."""
        node = self.node(path)
        if position >= len(node.inputs):
            raise refused(path, f"{node.op.kind} has no input that its readers could read instead")
        self.read_instead(path, node.inputs[position])
        del self.nodes[path]

    def rename(self, old: str, new: str) -> None:
        """See the function `rename`."""
        if old not in self.nodes and old not in self.scopes:
            raise CmtError("CMT-404", f"{self.graph.name} has no node or block '{old}'", path=old)
        if old == self.graph.input.path:
            raise refused(old, "the image stays what it is")

        def moved(path: str) -> str:
            return new + path[len(old) :] if below(path, old) else path

        kept = {path for path in (*self.nodes, *self.scopes) if moved(path) == path}
        for path in (*self.nodes, *self.scopes):
            if moved(path) != path and moved(path) in kept:
                raise refused(old, f"'{moved(path)}' is there already")
        self.nodes = {
            moved(path): dataclasses.replace(node, path=moved(path), inputs=tuple(map(moved, node.inputs)))
            for path, node in self.nodes.items()
        }
        self._place = {moved(path): at for path, at in self._place.items()}
        self.outputs = {name: moved(path) for name, path in self.outputs.items()}
        self.scopes = {
            moved(path): dataclasses.replace(
                scope,
                path=moved(path),
                inputs=tuple((name, moved(read)) for name, read in scope.inputs),
                output=moved(scope.output),
            )
            for path, scope in self.scopes.items()
        }

    def done(self) -> Graph:
        """The graph; CMT-302 with what keeps it from being one."""
        if not self.outputs:
            raise refused(self.graph.name, "nothing would be given")
        live = self._live()
        order = Order(live, self.scopes, self._place, self.outputs)
        nodes = tuple(typed(order.nodes()))
        scopes = tuple(order.scoped(self.scopes))
        made = dataclasses.replace(
            self.graph, nodes=nodes, scopes=scopes, outputs=tuple(self.outputs.items())
        )
        try:
            return verify(made)
        except CmtError as error:
            first = error.problems[0]
            raise refused(first.path or self.graph.name, first.message) from None

    def _live(self) -> dict[str, Node]:
        """The nodes that lead to an output, and the image."""
        found, waiting = {self.graph.input.path: self.graph.input}, list(self.outputs.values())
        while waiting:
            path = waiting.pop()
            if path not in found:
                found[path] = self.node(path)
                waiting += found[path].inputs
        return found
