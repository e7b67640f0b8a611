"""What does nothing in inference."""

from __future__ import annotations

from collections.abc import Iterator

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.offset import Offset
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.slice_channels import SliceChannels
from cmt_dsl.ops.slice_grid import SliceGrid
from cmt_dsl.passes.base import Match, Pass, Refusal, Site


class RemoveIdle(Pass):
    """dropout(x) = drop_path(x) = identity(x) = 1 x = x + 0 = x[all of it] = x; readers read x."""

    name = "remove-idle"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Nodes whose value is their input."""
        for node in graph.nodes:
            if _idle(graph, node):
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Always: whoever reads it, or takes it out of the model, gets the input."""
        (path,) = match.nodes
        kind = site.node(path).op.kind
        site.surgery.remove(path)
        return f"{kind} removed"


def _idle(graph: Graph, node: Node) -> bool:
    op = node.op
    if op.passes_on:
        return True
    if isinstance(op, (SliceChannels, SliceGrid)):
        return node.type == graph.by_path[node.inputs[0]].type
    return (isinstance(op, Scale) and op.by == 1) or (isinstance(op, Offset) and op.by == 0)
