"""What does not depend on the image, once and for all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cmt_dsl.ir import Array, Graph, Node, broadcast
from cmt_dsl.ops.add import Add
from cmt_dsl.ops.parameter import Parameter
from cmt_dsl.passes.base import Match, Pass, Refusal, Site

GROWTH, SMALL = 4, 65_536
"""A value may have so many times the elements of all it is made of, or so many in any case."""


class Precompute(Pass):
    """f(p, q) of parameters alone becomes a parameter; (x + p) + q becomes x + (p + q)."""

    name = "precompute"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Nodes without a batch that read others, in order; sums of two constants with a value."""
        for node in graph.nodes:
            if not node.type.batched and node.inputs:
                yield Match((node.path,))
        for node in graph.nodes:
            sides = _sides(graph.by_path, node)
            if sides is not None and _sides(graph.by_path, graph.by_path[sides[0]]) is not None:
                yield Match((node.path, sides[0]))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """The value in float64; refused where it is much larger than what it is made of."""
        if len(match.nodes) == 2:
            return _sum(match, site)
        node = site.node(match.nodes[0])
        read = [site.node(path) for path in node.inputs]
        kept = [each for each in read if not isinstance(each.op, Parameter)]
        if kept:
            return Refusal(f"{kept[0].path} is computed each time too")
        elements = sum(site.weights[each.path].size for each in read)
        with np.errstate(all="ignore"):
            value: Array = node.op.numpy({}, *(site.weights[each.path].astype(np.float64) for each in read))
        if value.size > max(SMALL, GROWTH * elements):
            return Refusal(f"its {value.size:,} elements would be kept instead of {elements:,}")
        _keep(site, node, value, site.weights[read[0].path])
        return f"{node.op.kind} of parameters, a parameter now"


def _sum(match: Match, site: Site) -> str | Refusal:
    outer, inner = (site.node(path) for path in match.nodes)
    sides, below = _sides(site.surgery.nodes, outer), _sides(site.surgery.nodes, inner)
    if sides is None or below is None or sides[0] != inner.path:
        return Refusal("it was changed before")
    if not site.only_reader(inner.path, outer.path):
        return Refusal(f"{inner.path} is read by others too")
    (_, second), (value, first) = sides, below
    if not all(isinstance(site.node(path).op, Parameter) for path in (first, second)):
        return Refusal("a constant in it is computed each time")
    p, q = site.weights[first], site.weights[second]
    total = p.astype(np.float64) + q.astype(np.float64)
    if total.size > max(SMALL, GROWTH * (p.size + q.size)):
        return Refusal(f"the sum of its constants has {total.size:,} elements, they have {p.size + q.size:,}")
    _keep(site, inner, total, p)
    site.surgery.put(outer.path, outer.op, (value, inner.path))
    return f"{first} + {second} are one parameter"


def _keep(site: Site, node: Node, value: Array, like: Array) -> None:
    site.surgery.put(node.path, Parameter(tuple(value.shape), "zeros"), ())
    site.weights[node.path] = value.astype(like.dtype)


def _sides(nodes: dict[str, Node], node: Node) -> tuple[str, str] | None:
    """(value with a batch, constant) of a sum of the two that has the value's shape; None for anything else."""
    if not isinstance(node.op, Add):
        return None
    a, b = (nodes[path] for path in node.inputs)
    for value, constant in ((a, b), (b, a)):
        if value.type.batched and not constant.type.batched and constant.type.shape:
            return (value.path, constant.path) if broadcast(value.type, constant.type) == value.type else None
    return None
