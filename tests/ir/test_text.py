"""A graph as text and back."""

from __future__ import annotations

import pytest

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import cut, parsed, whole_text
from cmt_dsl.ops import make, registry
from cmt_dsl.spec import names

SMALL = """\
graph small
scope half b(x=input) -> b.act
stage stages.0(x=b.act) -> stages.0.sum
input = input(channels=3, height=8, width=8)() -> [n, 3, 8, 8]
b.conv = conv2d(out=4, kernel=3, padding=1, bias=True, init='he_fan_out')(input) -> [n, 4, 8, 8]
b.act = relu()(b.conv) -> [n, 4, 8, 8]
stages.0.drop = drop_path(rate=0.25)(b.act) -> [n, 4, 8, 8]
stages.0.sum = add()(b.act, stages.0.drop) -> [n, 4, 8, 8]
output features = stages.0.sum
"""


@pytest.mark.parametrize("profile", names("profiles"))
@pytest.mark.parametrize("model", names("models"))
def test_print_and_parse_are_inverse(model: str, profile: str) -> None:
    graph = build(load(model, set={"profile": profile}))
    text = whole_text(graph)
    again = parsed(text, make)
    assert again == graph and again.fingerprint == graph.fingerprint
    assert whole_text(again) == text


def test_a_small_one_by_hand_with_comments() -> None:
    graph = parsed(SMALL + "# a comment\n\n", make)
    assert whole_text(graph) == SMALL
    assert graph.stages == ("stages.0.sum",) and [p.path for p in graph.params] == [
        "b.conv.weight",
        "b.conv.bias",
    ]
    assert whole_text(parsed(whole_text(cut(graph, {"here": "b.conv"})), make)).endswith(
        "output here = b.conv\n"
    )


@pytest.mark.parametrize("kind", registry())
def test_every_operator_with_its_attributes(kind: str) -> None:
    from cmt_dsl.ir import Node
    from cmt_dsl.ir.text import line

    for op, shapes in registry()[kind].samples():
        written = line(
            Node("a", op, tuple("bcdef"[: len(shapes)]), op.infer(*map(type_of, shapes))), whole=True
        )
        attributes = written.partition(f"{kind}(")[2].rpartition(")(")[0]
        assert make(kind, eval(f"dict({attributes})")) == op


def type_of(shape: tuple[int | None, ...]):
    from cmt_dsl.ir import TensorType

    return TensorType(shape)


WRONG = {
    "this line says nothing": SMALL.replace("output features", "outputs features"),
    "'b.cnv' does not stand above": SMALL.replace("relu()(b.conv)", "relu()(b.cnv)"),
    "gives [n, 4, 8, 8], not [n, 5, 8, 8]": SMALL.replace(
        "relu()(b.conv) -> [n, 4", "relu()(b.conv) -> [n, 5"
    ),
    "nothing_at_all": SMALL.replace("relu()", "nothing_at_all()"),
    "kernel": SMALL.replace("kernel=3", "kernel=-3"),
    "malformed node": SMALL.replace("rate=0.25", "rate=open('x')"),
}


@pytest.mark.parametrize("says", WRONG)
def test_a_text_that_is_no_graph_is_named_with_its_line(says: str) -> None:
    with pytest.raises(CmtError) as caught:
        parsed(WRONG[says], make, "g.txt")
    (problem,) = caught.value.problems
    assert says in str(problem) and problem.code == "CMT-303" and problem.place and problem.place.line > 3


def test_what_is_no_graph_is_no_graph_as_text_either() -> None:
    with pytest.raises(CmtError) as caught:
        parsed(SMALL.replace("(x=b.act)", "()"), make)
    assert caught.value.code == "CMT-301" and "does not see" in str(caught.value)
