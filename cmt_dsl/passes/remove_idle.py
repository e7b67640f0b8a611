"""What does nothing in inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.merge_heads import MergeHeads
from cmt_dsl.ops.offset import Offset
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.slice_channels import SliceChannels
from cmt_dsl.ops.slice_grid import SliceGrid
from cmt_dsl.ops.split_heads import SplitHeads
from cmt_dsl.ops.transpose import Transpose
from cmt_dsl.passes.base import Match, Pass, Refusal, Site


class RemoveIdle(Pass):
    """dropout(x) = drop_path(x) = identity(x) = 1 x = x + 0 = x[all of it] = x; readers read x.

    And what undoes the operator before it: the same transpose again, heads split and merged to the same shape.
    """

    name = "remove-idle"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Nodes whose value is their input, then nodes that undo another."""
        for node in graph.nodes:
            if _idle(graph, node):
                yield Match((node.path,))
        for node in graph.nodes:
            if _undone(graph.by_path, node, lambda path: _behind(graph, path)) is not None:
                yield Match((node.path, node.inputs[0]))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Whoever reads it, or takes it out of the model, gets the input; refused where what it undoes is gone by now."""
        path = match.nodes[0]
        kind = site.node(path).op.kind
        if len(match.nodes) == 2:
            source = _undone(site.surgery.nodes, site.node(path), lambda path: path)
            if source is None:
                return Refusal("it was changed before")
            first = site.node(path).inputs[0]
            site.surgery.read_instead(path, source)
            return f"undoes {first}, readers read {source}"
        site.surgery.remove(path)
        return f"{kind} removed"


def _behind(graph: Graph, path: str) -> str:
    """The value that one is when all that does nothing is gone."""
    while _idle(graph, graph.by_path[path]):
        path = graph.by_path[path].inputs[0]
    return path


def _undone(nodes: Mapping[str, Node], node: Node, behind: Callable[[str], str]) -> str | None:
    """What stands before the operator that a node undoes, of the very same elements; None where it undoes nothing."""
    if not isinstance(node.op, (Transpose, SplitHeads, MergeHeads)):
        return None
    first = nodes[behind(node.inputs[0])]
    back = {Transpose: Transpose, SplitHeads: MergeHeads, MergeHeads: SplitHeads}[type(node.op)]
    if not isinstance(first.op, back) or (isinstance(node.op, Transpose) and node.op != first.op):
        return None
    source = behind(first.inputs[0])
    return source if nodes[source].type == node.type else None


def _idle(graph: Graph, node: Node) -> bool:
    op = node.op
    if op.passes_on:
        return True
    if isinstance(op, (SliceChannels, SliceGrid)):
        return node.type == graph.by_path[node.inputs[0]].type
    return (isinstance(op, Scale) and op.by == 1) or (isinstance(op, Offset) and op.by == 0)
