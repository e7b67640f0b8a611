"""The drawing model: its numbers are those of `cmt cost`, its edges those of the graph."""

from __future__ import annotations

import json

import pytest

from cmt_dsl import CmtError, build, cost, load
from cmt_dsl.draw import LEVELS, Cluster, Level, compose
from tests.tiny import MODELS, graph_of


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_every_number_is_that_of_cost(name: str, level: Level) -> None:
    graph = build(load(name))
    whole = cost(graph)
    scene = compose(graph, whole, level)
    sums = [0, 0, 0, 0]
    for thing in (*scene.clusters, *scene.boxes):
        tallies = [whole.below(path) for path in thing.instances]
        figures = thing.figures
        assert figures.trainable == sum(t.trainable for t in tallies), thing.path
        assert figures.statistics == sum(t.statistics for t in tallies), thing.path
        assert figures.macs == sum(t.macs for t in tallies), thing.path
        assert figures.activations == sum(t.activations for t in tallies), thing.path
        assert figures.share == figures.macs / whole.total.macs
        assert figures.params_share == figures.trainable / whole.total.trainable
        node = next((s.output for s in graph.scopes if s.path == thing.path), thing.path)
        assert thing.output == graph.by_path[node].type.shape
        if not isinstance(thing, Cluster):
            around = thing.times // thing.count
            each = (figures.trainable, figures.statistics, figures.macs, figures.activations)
            sums = [s + around * e for s, e in zip(sums, each, strict=True)]
    total = whole.total
    assert sums == [total.trainable, total.statistics, total.macs, total.activations]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_edges_are_those_of_the_graph(name: str, level: Level) -> None:
    graph = build(load(name))
    scene = compose(graph, cost(graph), level, fold=False)
    assert all(thing.count == 1 for thing in (*scene.clusters, *scene.boxes))
    drawn = {(e.source, e.target) for e in scene.edges}
    wanted = set()
    for node in graph.nodes:
        for path in node.inputs:
            a, b = scene.shown(path), scene.shown(node.path)
            assert a is not None and b is not None
            if a.path != b.path:
                wanted.add((a.path, b.path))
    assert drawn == wanted
    folded = compose(graph, cost(graph), level)
    boxes = {box.path for box in folded.boxes}
    assert {end for e in folded.edges for end in (e.source, e.target)} == boxes


def test_repeated_blocks_fold_and_everything_can_be_found() -> None:
    graph = build(load("cmt_b"))
    scene = compose(graph, cost(graph), "block")
    block = scene.by_path["stages.2.blocks.0"]
    assert (block.title, block.count, block.what) == ("blocks.0–19", 20, "cmt")
    assert scene.by_path["stages.2.blocks.0.ffn"].times == 20
    for node in graph.nodes:
        assert scene.shown(node.path) is not None
    found = scene.shown("stages.2.blocks.7.attn.q")
    assert found is not None and found.path == "stages.2.blocks.0.attn"
    assert scene.shown("stages.2.blocks.7") is block
    assert scene.shown("stages.2.blocks.99") is None
    inside = [t.title for t in scene.inside("stages.2")]
    assert inside == ["embed", "position", "blocks.0–19"]


def test_residuals_shared_parameters_and_what_only_trains_are_marked() -> None:
    graph = build(load("cmt_b"))
    scene = compose(graph, cost(graph), "op", "stages.2.blocks.3")
    start = "stages.2.blocks.3."
    residual = {(e.source, e.target) for e in scene.edges if e.kind == "residual"}
    assert residual == {
        ("stages.2.blocks.2.add2", f"{start}lpu.add"),
        (f"{start}lpu.add", f"{start}add1"),
        (f"{start}add1", f"{start}add2"),
        (f"{start}ffn.norm1", f"{start}ffn.add"),
    }
    assert [e.target for e in scene.edges if e.kind == "shared"] == [f"{start}attn.biased"]
    assert {b.path for b in scene.boxes if b.training_only} == {f"{start}drop1", f"{start}drop2"}
    position = scene.by_path["stages.2.position"]
    assert position.family == "outside"
    assert [b.shared_by for b in scene.boxes if b.shared_by] == [20]


def test_a_sum_of_two_independent_branches_has_no_residual() -> None:
    graph = graph_of(
        "a: {op: relu}\nb: {op: sigmoid, in: x}\nc: {op: add, in: [a, b]}\nd: {op: add, in: [c, x]}"
    )
    scene = compose(graph, cost(graph), "op")
    residual = [(e.source, e.target) for e in scene.edges if e.kind == "residual"]
    assert residual == [("input", "stages.0.blocks.0.d")]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("stages.2.block.0", "did you mean 'stages.2.blocks.0'?"),
        ("stages.2.blocks.0.attn.q", "it is one operator: draw stages.2.blocks.0.attn at level op"),
        ("input", "it is one operator"),
        ("nothing at all", ""),
    ],
)
def test_an_unknown_part_is_refused(path: str, hint: str) -> None:
    graph = build(load("cmt_nano"))
    with pytest.raises(CmtError) as caught:
        compose(graph, cost(graph), "op", path.replace("stages.2", "stages.1"))
    assert caught.value.code == "CMT-410"
    assert caught.value.problems[0].hint == hint.replace("stages.2", "stages.1")


def test_a_scene_is_plain_data() -> None:
    graph = build(load("cmt_nano"))
    data = json.loads(json.dumps(compose(graph, cost(graph), "op", doc="words").json()))
    assert data["doc"] == "words"
    assert {box["count"] for box in data["boxes"]} == {1}
    assert data["boxes"][0]["place"]["file"].endswith("cmt_nano.yaml")
