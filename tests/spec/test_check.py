"""Checks of whole specs: every problem at once, bombs, and the round trip of `resolved`."""

from __future__ import annotations

import itertools

import pytest

from cmt_dsl import CmtError, SpecError, build, load, load_text
from tests.bounded import bounded
from tests.tiny import HEAD, MODELS, PROFILES, graph_of, model_of


def problems_of(text: str) -> list[tuple[str, int, int]]:
    with bounded(), pytest.raises(CmtError) as caught:
        load_text(text, "f.yaml")
        build(load_text(text, "f.yaml"))
    assert all(p.place for p in caught.value.problems), caught.value
    return [(p.code, p.place.line, p.place.column) for p in caught.value.problems if p.place]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("profile", PROFILES)
def test_resolved_text_gives_the_same_graph(model: str, profile: str) -> None:
    loaded = load(model, set={"profile": profile})
    again = load_text(loaded.resolved())
    assert build(again).fingerprint == build(loaded).fingerprint
    assert again.resolved() == loaded.resolved()
    assert again.profile_values == loaded.profile_values


def test_resolved_keeps_the_rates_that_the_fingerprint_leaves_out() -> None:
    loaded = load("cmt_b")
    again = load_text(loaded.resolved())
    rates = [[getattr(n.op, "rate", None) for n in build(m).nodes] for m in (loaded, again)]
    assert rates[0] == rates[1]
    assert 0.3 in rates[0]


def test_resolved_keeps_blocks_given_by_path(tmp_path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/one.yaml").write_text(
        "block: one\nnodes:\n  - a: {op: scale, by: 1.0e+16}\n  - b: {op: relu}\n"
    )
    (tmp_path / "m.yaml").write_text(HEAD + "stages: [{block: parts/one.yaml, depth: 2}]\n")
    model = load(tmp_path / "m.yaml")
    assert build(load_text(model.resolved())).fingerprint == build(model).fingerprint


def test_resolved_quotes_what_looks_like_a_number() -> None:
    model = load("cmt_nano", set={"doc": "1e-6"})
    assert load_text(model.resolved()).spec.doc == "1e-6"


def test_all_problems_of_a_file_at_once() -> None:
    text = (
        "model: m\ninput: {channels: three, size: 8}\nclases: 2\nprofile: offical\n"
        "drop_path: 1.5\nstages:\n  - {block: lpu, depth: -1, deep: 3}\n"
    )
    found = problems_of(text)
    assert ("CMT-111", 2, 19) in found  # three
    assert ("CMT-110", 3, 1) in found  # clases
    assert ("CMT-112", 1, 1) in found  # classes
    assert ("CMT-101", 4, 10) in found  # offical
    assert ("CMT-111", 5, 12) in found  # 1.5
    assert ("CMT-111", 7, 25) in found  # -1
    assert ("CMT-110", 7, 29) in found  # deep
    assert len(found) == 7


def test_problems_of_schema_blocks_and_shapes_come_together() -> None:
    text = (
        model_of("a: {op: conv2d, out: 4, kernel: 2, padding: 0, stride: 3}\nb: {op: rellu}") + "extra: 1\n"
    )
    assert {code for code, _, _ in problems_of(text)} == {"CMT-110", "CMT-131", "CMT-202"}


def test_a_shape_problem_names_both_lines() -> None:
    with pytest.raises(SpecError) as caught:
        build(
            load_text(
                (
                    HEAD
                    + "stages:\n  - {block: cmt, depth: 2, args: {heads: 2, reduction: 1, expansion: 2}}\n"
                ),
                "f.yaml",
            )
        )
    (problem,) = caught.value.problems
    assert str(problem.place) == "f.yaml:7:42"
    assert problem.path == "stages.0.args.heads"
    assert [str(place).split("/")[-1].split(":")[0] for place, _ in problem.via] == ["lmhsa.yaml"]


@pytest.mark.parametrize("key", ["a.b", "~", "''", '"é\\n"', "stages.0", "1", "'x y'"])
def test_an_odd_unknown_key_is_one_problem(key: str) -> None:
    codes = problems_of(f"{key}: 1\n" + model_of("a: {op: relu}"))
    assert codes == [("CMT-110", 1, 1)]


def test_a_block_and_a_recipe_are_no_models() -> None:
    assert problems_of("block: b\nnodes: []\n") == [("CMT-109", 1, 1)]
    assert problems_of("doc: x\nrecipe: r\n") == [("CMT-109", 2, 1)]
    assert problems_of("- 1\n") == [("CMT-109", 1, 1)]
    assert problems_of("word\n") == [("CMT-109", 1, 1)]


def inline(blocks: str, stages: str = "[{block: a, depth: 1}]", head: str = HEAD) -> str:
    return f"{head}stages: {stages}\nblocks:\n{blocks}"


def test_a_block_that_contains_itself() -> None:
    assert problems_of(inline("  a: {block: a, nodes: [{n: {block: a}}]}\n")) == [("CMT-134", 8, 29)]
    two = "  a: {block: a, nodes: [{n: {block: b}}]}\n  b: {block: b, nodes: [{n: {block: a}}]}\n"
    assert problems_of(inline(two)) == [("CMT-134", 9, 29)]


def test_a_block_that_contains_itself_by_way_of_the_profile() -> None:
    head = HEAD.replace("official", "{profile: p, values: {s: a}}")
    blocks = "  a: {block: a, nodes: [{n: {block: $profile.s}}]}\n"
    for use in ("a", "$profile.s"):
        assert problems_of(inline(blocks, f"[{{block: {use}, depth: 1}}]", head)) == [("CMT-134", 8, 29)]


def test_blocks_nested_too_deep() -> None:
    names = [f"b{i}" for i in range(2000)]
    lines = [f"  {a}: {{block: {a}, nodes: [{{n: {{block: {b}}}}}]}}\n" for a, b in itertools.pairwise(names)]
    text = inline(
        "".join(lines) + "  b1999: {block: z, nodes: [{n: {op: relu}}]}\n", "[{block: b0, depth: 1}]"
    )
    assert {code for code, _, _ in problems_of(text)} == {"CMT-105"}


def test_blocks_nested_too_deep_met_from_the_inside_first() -> None:
    names = [f"b{i}" for i in range(400)]
    lines = [f"  {a}: {{block: {a}, nodes: [{{n: {{block: {b}}}}}]}}\n" for a, b in itertools.pairwise(names)]
    uses = ", ".join(f"{{block: b{i}}}" for i in range(399, -1, -13))
    text = inline(
        "".join(lines) + "  b399: {block: z, nodes: [{n: {op: relu}}]}\n", f"[{{blocks: [{uses}]}}]"
    )
    assert {code for code, _, _ in problems_of(text)} == {"CMT-105"}


NEST = "  a: {block: a, nodes: [{n: {block: b, repeat: 1000}}]}\n  b: {block: b, nodes: [{n: {block: c, repeat: 1000}}]}\n"
BOMBS = {
    "nodes": (inline(NEST + "  c: {block: c, nodes: [{n: {op: relu}}]}\n"), "CMT-137"),
    "dropped nodes": (inline(NEST + "  c: {block: c, nodes: [{n: {op: relu, when: false}}]}\n"), "CMT-137"),
    "problems": (inline(NEST + "  c: {block: c, nodes: [{n: {op: relu, q: 1}}, {m: {op: relu, z: 1}}]}\n"), "CMT-140"),
    "unknown block": (inline(NEST), "CMT-130"),
    "depth": (inline("  a: {block: a, nodes: [{n: {op: relu}}]}\n", f"[{', '.join(['{block: a, depth: 1000}'] * 32)}]"), "CMT-137"),
    "arguments": (
        inline("  a: {block: a, nodes: [{n: {op: relu}}]}\n", f"[{{block: a, depth: 1000, args: {{{', '.join(f'a{i}: 1' for i in range(4000))}}}}}]"),
        "CMT-111",
    ),
    "defaults": (
        HEAD + f"stage_defaults: {{block: lpu, depth: 1, args: {{{', '.join(f'a{i}: 1' for i in range(9000))}}}}}\n"
        f"stages: [{', '.join(['{}'] * 20000)}]\n",
        "CMT-111",
    ),
    "doubling": (
        inline("".join(f"  b{i}: {{block: b{i}, nodes: [{{n: {{block: b{i + 1}}}}}, {{m: {{block: b{i + 1}}}}}]}}\n" for i in range(28))
               + "  b28: {block: z, nodes: [{n: {op: relu, when: false}}]}\n", "[{block: b0, depth: 1}]"),
        "CMT-137",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_soon_and_clearly(name: str) -> None:
    text, code = BOMBS[name]
    assert code in {found for found, _, _ in problems_of(text)}


MANY = ", ".join(f"a{i}: 1" for i in range(9000))
CHILDREN = {
    "defaults": f"stage_defaults: {{args: {{{MANY}}}}}\nstages: [{', '.join(['{}'] * 20000)}]\n",
    "defaults that a few stages override": f"stage_defaults: {{block: lpu, args: {{{MANY}}}}}\n",
    "edits": "set:\n" + "".join(f"  stages.0.args.x{i}: 1\n" for i in range(5000)),
    "edits of defaults": "set:\n" + "".join(f"  stage_defaults.args.x{i}: 1\n" for i in range(5000)),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_a_bomb_in_a_child_of_another_model_ends_soon_and_clearly(name: str) -> None:
    assert problems_of(f"model: child\nextends: cmt_ti\n{CHILDREN[name]}")


def test_a_scalar_parameter_and_a_batch_in_the_middle_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        graph_of("w: {op: parameter, shape: [], init: ones}\na: {op: mul, in: [x, w]}")
    assert caught.value.code == "CMT-142"
    with pytest.raises(SpecError) as caught:
        graph_of(
            "p: {op: global_avg_pool}\nw: {op: parameter, shape: [2, 1, 3], init: ones}\na: {op: mul, in: [p, w]}"
        )
    assert caught.value.code == "CMT-203"
