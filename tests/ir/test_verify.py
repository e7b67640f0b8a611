"""`verify` finds each broken invariant, and lets every shipped model pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cmt_dsl import Graph, SpecError, build, load
from cmt_dsl.ir import TensorType, verify
from cmt_dsl.spec import names

GRAPH = build(load("cmt_nano"))


@pytest.mark.parametrize("model", names("models"))
def test_shipped_models_pass(model: str) -> None:
    graph = build(load(model))
    assert verify(graph) is graph


def changed(index: int, **fields: object) -> Graph:
    nodes = list(GRAPH.nodes)
    nodes[index] = replace(nodes[index], **fields)
    return replace(GRAPH, nodes=tuple(nodes))


def without(path: str) -> Graph:
    return replace(GRAPH, nodes=tuple(n for n in GRAPH.nodes if n.path != path))


DEFECTS: dict[str, Callable[[], Graph]] = {
    "does not come before": lambda: without("stem.act1"),
    "stands twice": lambda: replace(GRAPH, nodes=(*GRAPH.nodes, GRAPH.nodes[-1])),
    "is of type": lambda: changed(1, type=TensorType((None, 1, 2, 3))),
    "other parameters": lambda: changed(1, params=()),
    "not there": lambda: replace(GRAPH, outputs=(("logits", "stages.9"),)),
    "needs a map": lambda: changed(-3, inputs=("stages.0.position",)),
}


@pytest.mark.parametrize("message", DEFECTS)
def test_a_defect_is_found(message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        verify(DEFECTS[message]())
    assert caught.value.code == "CMT-301"


def test_the_networkx_view_keeps_both_edges_of_a_square() -> None:
    import networkx

    text = """
model: square
input: {channels: 2, size: 4}
classes: 2
profile: official
drop_path: 0
stages: [{block: double, depth: 1}]
blocks: {double: {block: double, nodes: [{sum: {op: add, in: [x, x]}}]}}
"""
    from cmt_dsl import load_text

    view = build(load_text(text)).nx()
    assert view.number_of_edges("input", "stages.0.blocks.0.sum") == 2
    assert networkx.is_directed_acyclic_graph(view)
    assert list(GRAPH.nx().nodes) == [node.path for node in GRAPH.nodes]
