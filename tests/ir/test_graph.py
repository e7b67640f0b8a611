"""Types, the graph's readings and its fingerprint."""

from __future__ import annotations

import dataclasses

import pytest

from cmt_dsl import Graph, build, load
from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import TensorType, above, broadcast, signature
from tests.tiny import graph_of


@pytest.fixture(scope="module")
def nano() -> Graph:
    return build(load("cmt_nano"))


def test_a_type_reads_as_its_shape() -> None:
    t = TensorType((None, 3, 4, 5))
    assert (str(t), t.sizes, t.elements, t.batched) == ("[n, 3, 4, 5]", (3, 4, 5), 60, True)
    assert TensorType((3, 4)).batched is False
    assert dict(t.attributes()) == {
        "rank": 4, "channels": 3, "height": 4, "width": 5, "tokens": 20, "dim1": 3, "dim2": 4, "dim3": 5,
    }  # fmt: skip
    assert dict(TensorType((None, 7)).attributes()) == {"rank": 2, "channels": 7, "dim1": 7}
    assert dict(TensorType((2, 7)).attributes()) == {"rank": 2, "dim0": 2, "dim1": 7}


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        ((None, 3, 4, 5), (None, 3, 4, 5), (None, 3, 4, 5)),
        ((None, 3, 4, 5), (4, 5), (None, 3, 4, 5)),
        ((3, 1, 1), (None, 3, 4, 5), (None, 3, 4, 5)),
        ((None, 3, 1, 1), (None, 3, 4, 5), (None, 3, 4, 5)),
        ((1, 3, 1, 1), (None, 3, 4, 5), (None, 3, 4, 5)),
        ((1,), (None, 6), (None, 6)),
        ((2, 1), (1, 3), (2, 3)),
    ],
)
def test_broadcast(a: tuple[int | None, ...], b: tuple[int | None, ...], out: tuple[int | None, ...]) -> None:
    assert broadcast(TensorType(a), TensorType(b)).shape == out
    assert broadcast(TensorType(b), TensorType(a)).shape == out


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((None, 3, 4, 5), (None, 2, 4, 5)),
        ((None, 3, 4, 5), (5, 4)),
        ((None, 3, 4, 5), (2, 3, 4, 5)),
        ((None, 6), (2, 1, 6)),
        ((None, 6), (None, 3, 1, 6)),
        ((None, 6), (None, 3, 4, 6)),
    ],
)
def test_what_does_not_broadcast(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> None:
    for left, right in ((a, b), (b, a)):
        with pytest.raises(ShapeError) as caught:
            broadcast(TensorType(left), TensorType(right))
        assert caught.value.code == "CMT-203"


def test_above_is_innermost_first() -> None:
    assert above("a.1.b") == ["a.1", "a"]
    assert above("a") == []


def test_the_graph_is_frozen(nano: Graph) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        nano.name = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        nano.nodes[0].path = "other"  # type: ignore[misc]


def test_scopes_hold_each_node_once(nano: Graph) -> None:
    held = [item.path for items in nano.children.values() for item in items]
    assert len(held) == len(set(held))
    assert set(held) == {n.path for n in nano.nodes} | {s.path for s in nano.scopes}
    assert [item.path for item in nano.children[""]] == [
        "input",
        "stem",
        "stages.0",
        "stages.1",
        "stages.2",
        "head",
    ]


def test_scopes_know_their_inputs_and_outputs(nano: Graph) -> None:
    scope = next(s for s in nano.scopes if s.path == "stages.1.blocks.0")
    assert scope.block == "cmt"
    assert dict(scope.inputs) == {"x": "stages.1.embed.norm", "position": "stages.1.position"}
    assert scope.output == "stages.1.blocks.0.add2"
    assert nano.stages == tuple(s.output for s in nano.scopes if s.stage)


def test_every_node_knows_its_line(nano: Graph) -> None:
    node = nano.by_path["stages.0.blocks.0.attn.q"]
    assert node.place is not None
    assert node.place.file == "specs/blocks/lmhsa.yaml"
    assert all(n.place for n in nano.nodes)


def test_networkx_view_has_both_edges_of_a_doubled_input() -> None:
    view = graph_of("twice: {op: add, in: [x, x]}").nx()
    assert view.number_of_edges("input", "stages.0.blocks.0.twice") == 2
    assert {d["position"] for _, _, d in view.edges(data=True)} == {0, 1}


def test_fingerprint_is_what_the_graph_computes() -> None:
    def of(**sets: object) -> str:
        return build(load("cmt_nano", set={k.replace("__", "."): v for k, v in sets.items()})).fingerprint

    base = of()
    assert of() == base
    assert of(drop_path=0.5) == base
    assert of(doc="other words") == base
    assert of(head__args__dropout=0.5) == base
    for changed in ({"classes": 11}, {"profile": "mindcv"}, {"input__size": 64}, {"stages__1__depth": 3}):
        assert of(**changed) != base


def test_fingerprint_does_not_depend_on_the_process() -> None:
    """Recorded: a checkpoint must fit its spec tomorrow. Change it only with a reason to break checkpoints."""
    import subprocess
    import sys

    code = "from cmt_dsl import build, load; print(build(load('cmt_nano')).fingerprint)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": s},
        ).stdout
        for s in ("1", "2")
    }
    assert found == {build(load("cmt_nano")).fingerprint + "\n"}


def test_signature_leaves_out_what_is_data() -> None:
    graph = graph_of("a: {op: drop_path, rate: 0.2}\nb: {op: gelu}")
    assert signature(graph.nodes[1].op) == ("drop_path", ())
    assert signature(graph.nodes[2].op) == ("gelu", (("form", "erf"),))


def test_fingerprint_sees_wiring_attributes_names_and_shapes() -> None:
    nodes = "a: {op: relu}\nb: {op: silu, in: x}\nc: {op: sub, in: [a, b]}\nd: {op: scale, by: 2.0}"
    variants = {
        "as it is": nodes,
        "wiring": nodes.replace("[a, b]", "[b, a]"),
        "attribute": nodes.replace("2.0", "2.5"),
        "operator": nodes.replace("relu", "sigmoid"),
        "name": nodes.replace("d:", "e:"),
    }
    found = {name: graph_of(text).fingerprint for name, text in variants.items()}
    assert len(set(found.values())) == len(variants)
