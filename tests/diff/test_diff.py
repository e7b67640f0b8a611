"""The difference of two models: spec values, nodes by path, renames by isomorphism, cost by stage."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cmt_dsl import Graph, Model, build, cost, load, load_text
from cmt_dsl.diff import Difference, diff
from cmt_dsl.diff.folded import folded, folded_paths
from cmt_dsl.diff.values import changes_of
from cmt_dsl.draw import compose
from cmt_dsl.draw.sides import statuses
from tests.bounded import bounded
from tests.tiny import MODELS, model_of

Built = tuple[Model, Graph]


def built(spec: str, **sets: Any) -> Built:
    model = load(spec, set=sets)
    return model, build(model)


def of_text(text: str) -> Built:
    model = load_text(text)
    return model, build(model)


def between(a: str, b: str, **options: str) -> Difference:
    """The difference of two one-block models, given the lines of their nodes."""
    return diff(of_text(model_of(a, **options)), of_text(model_of(b, **options)))


BLOCK = "stages.0.blocks.0"
NODES = "a: {op: conv2d, out: 3, kernel: 3, padding: 1}\nb: {op: relu}\nc: {op: add, in: [b, x]}"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_and_itself(name: str) -> None:
    d = diff(built(name), built(name))
    assert d.empty and d.same_graph
    assert d.json() | {"parts": []} == {
        "a": name, "b": name, "equal": True, "same_graph": True, "spec": [], "added": [], "removed": [],
        "renamed": [], "changed": [], "parts": [],
    }  # fmt: skip


def test_a_deeper_stage_is_one_new_block_and_its_cost() -> None:
    a, b = built("cmt_s"), built("cmt_s", **{"stages.2.depth": 18})
    d = diff(a, b)
    assert [(c.path, c.attribute, c.a, c.b) for c in d.spec] == [("stages.2", "depth", 16, 18)]
    assert d.added == ("stages.2.blocks.16", "stages.2.blocks.17")
    assert (d.removed, d.renamed, d.changed) == ((), (), ())
    stage = next(part for part in d.parts if part.path == "stages.2")
    assert stage.depth == (16, 18)
    new = cost(b[1]).below("stages.2.blocks.16")
    assert stage.delta("macs") == 2 * new.macs == cost(b[1]).total.macs - cost(a[1]).total.macs
    assert stage.delta("trainable") == 2 * new.trainable
    assert all(not part.delta("macs") for part in d.parts if part.path not in ("stages.2", "total"))
    assert diff(b, a).removed == d.added
    assert json.loads(json.dumps(d.json()))["parts"][3]["delta"]["macs"] == 2 * new.macs


def test_rates_follow_the_depth_but_are_said_when_they_change_alone() -> None:
    base = built("cmt_nano")
    d = diff(base, built("cmt_nano", drop_path=0.3))
    assert [c.attribute for c in d.spec] == ["drop_path"]
    assert {c.attribute for c in d.changed} == {"rate"}
    assert d.same_graph and not d.empty


def test_an_operator_added_removed_and_replaced() -> None:
    longer = NODES.replace("b: {op: relu}", "b: {op: relu}\nextra: {op: gelu}").replace(
        "[b, x]", "[extra, x]"
    )
    d = between(NODES, longer)
    assert (d.added, d.removed, d.renamed, d.changed) == ((f"{BLOCK}.extra",), (), (), ())
    back = between(longer, NODES)
    assert (back.added, back.removed, back.changed) == ((), (f"{BLOCK}.extra",), ())
    other = between(NODES, NODES.replace("op: relu", "op: gelu"))
    assert [(c.path, c.attribute, c.a, c.b) for c in other.changed] == [(f"{BLOCK}.b", "op", "relu", "gelu")]


def test_an_input_that_is_another() -> None:
    d = between(NODES, NODES.replace("[b, x]", "[b, a]"))
    assert [(c.path, c.attribute) for c in d.changed] == [(f"{BLOCK}.c", "in")]
    assert d.changed[0].a == [f"{BLOCK}.b", "input"]


def test_a_renamed_operator_is_no_other_change() -> None:
    d = between(NODES, NODES.replace("b: {op", "squash: {op").replace("[b, x]", "[squash, x]"))
    assert d.renamed == ((f"{BLOCK}.b", f"{BLOCK}.squash"),)
    assert (d.added, d.removed, d.changed) == ((), (), ())


def test_moved_blocks_are_recognised() -> None:
    def stages(*order: str) -> Built:
        data = yaml.safe_load(model_of(NODES))
        data["blocks"]["e"] = {"block": "e", "nodes": [{"f": {"op": "gelu"}}, {"g": {"op": "sigmoid"}}]}
        data["stages"] = [{"blocks": [{"block": name, "depth": 1} for name in order]}]
        return of_text(yaml.safe_dump(data, sort_keys=False))

    d = diff(stages("b", "b", "e"), stages("e", "b", "b"))
    moved = {("stages.0.blocks.0", "stages.0.blocks.2"), ("stages.0.blocks.2", "stages.0.blocks.0")}
    assert set(d.renamed) == moved
    assert (d.added, d.removed) == ((), ())


def test_a_block_with_its_nodes_in_another_order_and_under_other_names_is_the_same_graph() -> None:
    inner = "    - left: {op: relu, in: x}\n    - right: {op: sigmoid, in: x}\n    - sum: {op: mul, in: [left, right]}"
    other = "    - r: {op: sigmoid, in: x}\n    - l: {op: relu, in: x}\n    - m: {op: mul, in: [l, r]}"
    text = model_of("mine: {block: inner}\nlast: {op: gelu}") + "  inner:\n    block: inner\n    nodes:\n"
    a = of_text(text + inner + "\n")
    b = of_text(text.replace("mine:", "yours:") + other + "\n")
    d = diff(a, b)
    assert (f"{BLOCK}.mine", f"{BLOCK}.yours") in d.renamed
    assert (d.added, d.removed, d.changed) == ((), (), ())


def test_many_equal_branches_end_in_time() -> None:
    """Isomorphism of symmetric graphs can take for ever: the matcher gives up."""

    def wide(swap: bool) -> str:
        lines = [f"r{i}: {{op: relu, in: x}}" for i in range(60)]
        order = list(range(60))
        if swap:
            order.reverse()
        lines += [
            f"s{k}: {{op: add, in: [r{i}, {'x' if k == 0 else f's{k - 1}'}]}}" for k, i in enumerate(order)
        ]
        return "\n".join(lines)

    with bounded():
        d = between(wide(False), wide(True))
    assert not d.empty


def test_what_is_drawn_is_what_is_different() -> None:
    a = built("cmt_nano")
    b = built("cmt_nano", **{"stages.1.depth": a[0].spec.stages[1].runs[0][1] + 1})
    d = diff(a, b)
    left, right = (statuses(d, compose(g, cost(g), "block"), side) for side, (_, g) in enumerate((a, b)))
    assert {path for path, word in right.items() if word != "equal"} == {"stages.1", "stages.1.blocks.0"}
    assert left["stages.0"] == "equal" and left["stages.1"] == "changed"
    c = built("cmt_nano", profile="mindcv")
    gone = statuses(diff(a, c), compose(a[1], cost(a[1]), "block"), 0)
    assert gone["stages.0.position"] == "removed"
    assert statuses(diff(c, a), compose(a[1], cost(a[1]), "block"), 1)["stages.0.position"] == "added"


def test_folded_lines() -> None:
    d = diff(built("cmt_s"), built("cmt_s", **{"stages.1.args.heads": 4}))
    assert len(d.changed) > len(folded(d.changed))
    assert "stages.1.blocks.0–2.attn.q_heads" in [path for path, *_ in folded(d.changed)]
    paths = ["stages.0.blocks.1.a", "stages.0.blocks.2.a", "stages.0.blocks.5.a", "head.fc"]
    assert folded_paths(paths) == ["stages.0.blocks.1–2,5.a", "head.fc"]


def test_values() -> None:
    a = {"x": 1, "model": "m", "nodes": [{"a": {"op": "relu"}}, {"b": {"op": "add"}}], "list": [1, 2]}
    b = {"x": True, "model": "n", "nodes": [{"b": {"op": "add"}}, {"a": {"op": "gelu"}}], "list": [1, 3]}
    assert list(changes_of(a, b)) == [
        ("", "x", 1, True),
        ("nodes.a", "op", "relu", "gelu"),
        ("nodes", "order", ["a", "b"], ["b", "a"]),
        ("", "list", [1, 2], [1, 3]),
    ]
    assert list(changes_of({"s": [{"k": 1, "l": 2}]}, {"s": []})) == [("", "s", [{"k": 1, "l": 2}], [])]
