"""The language of blocks: defaults of `in`, `when`, `repeat`, `let`, `args`, `shared`, nested blocks."""

from __future__ import annotations

import pytest

from cmt_dsl import Graph, SpecError, build, load, load_text
from tests.tiny import HEAD, graph_of, model_of

BELOW = "stages.0.blocks.0."


def wires(graph: Graph) -> dict[str, list[str]]:
    """Node to its inputs, below the one block."""
    return {n.path.removeprefix(BELOW): [i.removeprefix(BELOW) for i in n.inputs] for n in graph.nodes[1:]}


def code_of(nodes: str, **options: str) -> str:
    with pytest.raises(SpecError) as caught:
        graph_of(nodes, **options)
    return caught.value.code


def test_in_is_the_node_above_unless_told() -> None:
    graph = graph_of("a: {op: relu}\nb: {op: silu}\nc: {op: add, in: [b, x]}\nd: {op: add, in: [c, a]}")
    assert wires(graph) == {"a": ["input"], "b": ["a"], "c": ["b", "input"], "d": ["c", "a"]}


def test_a_dropped_node_hands_on_its_input() -> None:
    graph = graph_of("a: {op: relu}\nb: {op: silu, in: x, when: 1 > 2}\nc: {op: add, in: [b, a]}")
    assert wires(graph) == {"a": ["input"], "c": ["input", "a"]}


def test_when_reads_arguments_and_shapes() -> None:
    block = "args: {wide: {type: bool}}"
    for wide, kinds in (("true", ["relu", "silu"]), ("false", ["silu"])):
        graph = graph_of(
            "a: {op: relu, when: wide and x.channels == 3}\nb: {op: silu}",
            block=block,
            stage=f"depth: 1, args: {{wide: {wide}}}",
        )
        assert [n.op.kind for n in graph.nodes[1:]] == kinds


def test_repeat_copies_and_chains() -> None:
    graph = graph_of(
        "a: {op: relu, repeat: 3}\nb: {op: silu, repeat: $x.channels - 3}\nc: {op: add, in: [a, x]}"
    )
    assert wires(graph) == {"a.0": ["input"], "a.1": ["a.0"], "a.2": ["a.1"], "c": ["a.2", "input"]}


@pytest.mark.parametrize("repeat", ["-1", "1.5", "1001", "$x.channels / 2", "$0 - 1", "many"])
def test_repeat_must_be_a_count(repeat: str) -> None:
    assert code_of(f"a: {{op: relu, repeat: {repeat}}}") in ("CMT-111", "CMT-121", "CMT-142")


def test_let_is_computed_in_order_and_may_read_arguments() -> None:
    block = "args: {r: {type: float}}\nlet: {a: x.channels * r, b: int(a) + 1}"
    graph = graph_of(
        "c: {op: conv2d, out: $b, kernel: 1, padding: 0}", block=block, stage="depth: 1, args: {r: 1.5}"
    )
    assert graph.output.type.sizes[0] == 5


def test_arguments_have_defaults_and_may_be_optional() -> None:
    block = "args: {k: {type: int, default: 4}, extra: {type: int, optional: true}}"
    nodes = "c: {op: conv2d, out: $k, kernel: 1, padding: 0}"
    assert graph_of(nodes, block=block).output.type.sizes[0] == 4
    assert graph_of(nodes, block=block, stage="depth: 1, args: {k: 7}").output.type.sizes[0] == 7


@pytest.mark.parametrize(
    ("declared", "given", "code"),
    [
        ("{type: int}", "1.5", "CMT-142"),
        ("{type: int}", "true", "CMT-142"),
        ("{type: int}", "'1'", "CMT-142"),
        ("{type: float}", "1", None),
        ("{type: float, gt: 0}", "0", "CMT-142"),
        ("{type: float, ge: 0}", "0", None),
        ("{type: int, lt: 4}", "4", "CMT-142"),
        ("{type: int, le: 4}", "4", None),
        ("{type: bool}", "1", "CMT-142"),
        ("{type: str, choices: [a, b]}", "c", "CMT-142"),
        ("{type: str, choices: [a, b]}", "a", None),
        ("{type: int, optional: true}", "null", None),
        ("{type: int}", "null", "CMT-142"),
        ("{type: float}", ".nan", None),
    ],
)
def test_argument_types_and_bounds(declared: str, given: str, code: str | None) -> None:
    options = {"block": f"args: {{a: {declared}}}", "stage": f"depth: 1, args: {{a: {given}}}"}
    if code is None:
        graph_of("r: {op: relu}", **options)
    else:
        assert code_of("r: {op: relu}", **options) == code


def test_an_optional_input_that_is_not_connected() -> None:
    block = 'inputs: [x, "p?"]'
    assert wires(graph_of("a: {op: relu}\nb: {op: add, in: [a, p], when: given.p}", block=block)) == {
        "a": ["input"]
    }
    assert wires(graph_of("b: {op: add, in: [p, x], when: given.p}\nc: {op: relu}", block=block)) == {
        "c": ["input"]
    }
    assert code_of("a: {op: add, in: [x, p]}", block=block) == "CMT-132"
    assert code_of("a: {op: add, in: [x, p], when: true}", block=block) == "CMT-132"
    assert code_of("a: {op: relu, in: p, when: false}\nb: {op: add, in: [x, a]}", block=block) == "CMT-132"


def test_shared_nodes_are_read_by_every_block_of_the_stage() -> None:
    text = HEAD + (
        "stages:\n  - block: b\n    depth: 3\n    shared:\n      - p: {op: parameter, shape: [$x.channels, 1, 1], init: ones}\n"
        "      - q: {op: parameter, shape: [1], init: ones, when: 1 > 2}\n"
        'blocks:\n  b: {block: b, inputs: [x, p, "q?"], nodes: [{m: {op: mul, in: [x, p]}}, {n: {op: add, in: [m, q], when: given.q}}]}\n'
    )
    graph = build(load_text(text))
    assert [n.path for n in graph.nodes if n.op.kind == "parameter"] == ["stages.0.p"]
    assert [n.path for n in graph.nodes if "stages.0.p" in n.inputs] == [
        f"stages.0.blocks.{i}.m" for i in range(3)
    ]


def test_a_block_that_needs_what_the_stage_does_not_share() -> None:
    assert code_of("a: {op: add, in: [x, p]}", block="inputs: [x, p]") == "CMT-205"


def test_nested_blocks_take_arguments_through() -> None:
    text = model_of("one: {block: inner, args: {w: $x.channels * 2}}\ntwo: {block: inner, args: {w: 5}}") + (
        "  inner: {block: inner, args: {w: {type: int}}, nodes: [{c: {op: conv2d, out: $w, kernel: 1, padding: 0}}]}\n"
    )
    graph = build(load_text(text))
    assert [n.type.sizes[0] for n in graph.nodes[1:]] == [6, 5]
    assert graph.by_path[BELOW + "two.c"].inputs == (BELOW + "one.c",)


def test_an_error_far_below_names_the_line_of_the_model_first() -> None:
    text = model_of("one: {block: inner, args: {w: $x.channels * 2}}") + (
        "  inner: {block: inner, args: {w: {type: int}}, nodes: [{c: {op: conv2d, out: $w, kernel: 1, padding: 0, groups: 4}}]}\n"
    )
    with pytest.raises(SpecError) as caught:
        build(load_text(text, "m.yaml"))
    (problem,) = caught.value.problems
    assert problem.code == "CMT-201"
    assert str(problem.place) == "m.yaml:7:13"
    assert [path for _, path in problem.via][:1] == [BELOW + "one.c.groups"]


def test_one_mistake_in_a_block_used_often_is_one_problem() -> None:
    with pytest.raises(SpecError) as caught:
        graph_of("a: {op: relu, slope: 1}", stage="depth: 50")
    assert len(caught.value.problems) == 1


def test_what_follows_from_a_mistake_is_silent() -> None:
    with pytest.raises(SpecError) as caught:
        graph_of(
            "a: {op: rellu}\nb: {op: add, in: [a, x]}\nc: {op: scale, by: $a.channels}\nd: {op: relu, when: c.rank > 1}"
        )
    assert [p.code for p in caught.value.problems] == ["CMT-131"]


@pytest.mark.parametrize("size", [161, 162, 176])
def test_odd_input_sizes_are_found_without_a_framework(size: int) -> None:
    with pytest.raises(SpecError) as caught:
        build(load("cmt_ti", set={"input.size": size}))
    assert {p.code for p in caught.value.problems} == {"CMT-202"}


def test_a_rectangular_image() -> None:
    graph = build(load("cmt_ti", set={"input.size": [160, 320], "input.channels": 1}))
    assert graph.input.type.sizes == (1, 160, 320)
    assert graph.by_path["stages.2.position"].type.sizes == (4, 200, 50)
