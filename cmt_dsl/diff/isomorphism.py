"""Whether two parts of graphs compute the same whatever their nodes are called: networkx, bounded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cmt_dsl.ir import Graph, Node

if TYPE_CHECKING:
    import networkx

STEPS = 20_000
"""Candidate pairs that the matcher may look at; beyond, two parts count as different."""


class _Exhausted(Exception):
    pass


def isomorphic(a: Graph, inside_a: tuple[Node, ...], b: Graph, inside_b: tuple[Node, ...]) -> bool:
    """Whether two sets of nodes are one graph: equal operators, types and wiring, other names.

    Values from outside count as one unnamed source each. Rates that only training reads are left out.
    """
    if Counter(each.meaning for each in inside_a) != Counter(each.meaning for each in inside_b):
        return False
    if _in_order(inside_a) == _in_order(inside_b):
        return True
    from networkx.algorithms.isomorphism import DiGraphMatcher

    class Bounded(DiGraphMatcher):  # type: ignore[type-arg]
        steps = 0

        def semantic_feasibility(self, G1_node: Any, G2_node: Any) -> bool:
            self.steps += 1
            if self.steps > STEPS:
                raise _Exhausted
            return super().semantic_feasibility(G1_node, G2_node)  # pyright: ignore

    def same(x: dict[str, Any], y: dict[str, Any]) -> bool:
        return x["label"] == y["label"]

    try:
        return bool(
            Bounded(_view(inside_a), _view(inside_b), node_match=same, edge_match=same).is_isomorphic()
        )
    except _Exhausted:
        return False


def _in_order(nodes: tuple[Node, ...]) -> list[tuple[object, ...]]:
    """The nodes with inputs as numbers: equal for graphs that differ in names alone."""
    number: dict[str, int] = {node.path: i for i, node in enumerate(nodes)}
    outside: dict[str, int] = {}
    return [
        (*node.meaning, tuple(number.get(i, -1 - outside.setdefault(i, len(outside))) for i in node.inputs))
        for node in nodes
    ]


def _view(nodes: tuple[Node, ...]) -> networkx.DiGraph[str]:
    """Nodes with labels; an edge carries the positions at which it is read."""
    import networkx

    view: networkx.DiGraph[str] = networkx.DiGraph()
    for node in nodes:
        view.add_node(node.path, label=node.meaning)
    for node in nodes:
        positions: dict[str, list[int]] = {}
        for position, source in enumerate(node.inputs):
            positions.setdefault(source, []).append(position)
        for source, at in positions.items():
            if source not in view:
                view.add_node(source, label="outside")
            view.add_edge(source, node.path, label=tuple(at))
    return view
