"""The generated source: equal blocks share a class, rates are no part of the text, names cannot clash."""

from __future__ import annotations

import ast
import re

import pytest

from cmt_dsl import Graph, build, load, load_text, source
from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.names import TAKEN, attribute, canonical_names
from tests.tiny import HEAD, MODELS, graph_of


def classes(text: str) -> dict[str, str]:
    tree = ast.parse(text)
    return {n.name: ast.get_source_segment(text, n) or "" for n in tree.body if isinstance(n, ast.ClassDef)}


def of_block(graph: Graph, block: str) -> list[str]:
    return [name for name in classes(source(graph)) if re.fullmatch(rf"{block}\d+", name)]


def test_cmt_s_has_one_class_for_the_blocks_of_each_stage() -> None:
    graph = build(load("cmt_s"))
    assert of_block(graph, "Cmt") == ["Cmt1", "Cmt2", "Cmt3", "Cmt4"]
    assert len(of_block(graph, "Lmhsa")) == 4
    assert sum(scope.block == "cmt" for scope in graph.scopes) == 25


def test_depth_does_not_lengthen_the_text_much() -> None:
    short, long = (source(build(load("cmt_s", set={"stages.2.depth": d}))) for d in (2, 40))
    assert len(long.splitlines()) < len(short.splitlines()) + 150
    assert classes(short)["Cmt3"].split('"""')[2] == classes(long)["Cmt3"].split('"""')[2]


def test_drop_path_rates_are_not_in_the_text() -> None:
    texts = {source(build(load("cmt_s", set={"drop_path": rate}))) for rate in (0.0, 0.1, 0.7)}
    assert len(texts) == 1
    assert "0.7" not in texts.pop()


@pytest.mark.parametrize(
    ("model", "profile"),
    [*((m, "official") for m in MODELS), ("cmt_nano", "mindcv"), ("cmt_nano", "paper")],
)
def test_the_module_stands_alone_and_holds_what_it_uses(model: str, profile: str) -> None:
    text = source(build(load(model, set={"profile": profile})))
    tree = ast.parse(text)
    (optional,) = [n for n in tree.body if isinstance(n, ast.Try)]
    assert ast.unparse(optional).startswith(
        "try:\n    from cmt_dsl.lower.mindspore.kernels import kernel\nexcept ImportError:"
    )
    imported = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert {getattr(n, "module", None) or n.names[0].name for n in imported} == {"mindspore"}
    known = set(classes(text)) | {a.asname or a.name for n in imported for a in n.names}
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert {name for name in called if name[0].isupper()} <= known
    assert not any(isinstance(n, ast.Lambda) for n in ast.walk(tree))
    first = [f.args.args[0].arg for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)]
    assert set(first) == {"self"}


def test_generated_classes_take_no_arguments_and_shared_ones_are_lazy() -> None:
    found = classes(source(build(load("cmt_s"))))
    for name in ("Cmt1", "Cmt2", "Cmt3", "Cmt4"):
        assert "def __init__(self):" in found[name]
        assert '@ms.lazy_inline(attrs="structure", policy="front")' in found[name]
    assert "lazy_inline" not in found["Model"]
    structures = re.findall(r'self\.structure = "(\w+)"', source(build(load("cmt_s"))))
    assert len(structures) == len(set(structures)) >= 4


def test_every_constant_is_part_of_what_is_shared() -> None:
    """Blocks that differ in one constant alone must not share a class."""
    text = HEAD + (
        "stages: [{blocks: [{block: s, args: {by: 2.0}}, {block: s, args: {by: 3.0}}, {block: s, args: {by: 2.0}}]}]\n"
        "blocks:\n  s: {block: s, args: {by: {type: float}}, nodes: [{a: {op: scale, by: $by}}, {b: {op: relu}}]}\n"
    )
    graph = build(load_text(text))
    assert of_block(graph, "S") == ["S1", "S2"]
    assert {float(v) for v in re.findall(r"\* (\d\.\d)", source(graph))} == {2.0, 3.0}


def test_classes_whose_names_would_meet_are_told_apart() -> None:
    text = HEAD + (
        "stages: [{blocks: [{block: ab}, {block: aB}, {block: a_b_}]}]\nblocks:\n"
        "  ab: {block: ab, nodes: [{a: {op: relu}}]}\n"
        "  aB: {block: aB, nodes: [{a: {op: sigmoid}}]}\n"
        "  a_b_: {block: a_b_, nodes: [{a: {op: silu}}]}\n"
    )
    text = source(build(load_text(text)))
    names = [n.name for n in ast.parse(text).body if isinstance(n, ast.ClassDef)]
    assert len(names) == len(set(names))
    for word in ("ops.relu(x)", "ops.sigmoid(x)", "x * ops.sigmoid(x)"):
        assert f"a = {word}\n" in text


def test_attributes_never_meet() -> None:
    names = ["training", "training_", "training__", "class", "class_", "cells", "x", "x_", "conv"]
    given = [attribute(name) for name in names]
    assert len(set(given)) == len(names)
    assert not set(given) & TAKEN
    assert given[-1] == "conv"


def test_nodes_called_like_cell_attributes_keep_their_path() -> None:
    nodes = "\n".join(
        f"{name}: {{op: conv2d, out: 4, kernel: 1, padding: 0}}"
        for name in ("training", "training_", "class")
    )
    graph = graph_of(nodes)
    names = canonical_names(graph)
    assert len(names) == len(graph.params) == 6
    below = "stages.0.blocks.0"
    assert names[f"{below}.training_.weight"] == f"{below}.training.weight"
    assert names[f"{below}.training__.weight"] == f"{below}.training_.weight"
    assert names[f"{below}.class_.weight"] == f"{below}.class.weight"


@pytest.mark.parametrize(
    "stages",
    [
        "[{block: unit, depth: 0}, {block: unit, depth: 1}]",
        "[{block: unit, depth: 1}, {block: unit, depth: 0}]",
        "[{blocks: [{block: nothing}, {block: unit}, {block: nothing}, {block: unit}]}]",
        "[{blocks: [{block: many}]}]",
        "[{blocks: [{block: unit}, {block: many}, {block: gap}]}]",
    ],
)
def test_empty_stages_and_blocks_and_repeats(stages: str) -> None:
    text = (
        HEAD
        + f"stages: {stages}\nblocks:\n"
        + (
            "  unit: {block: unit, nodes: [{c: {op: conv2d, out: 4, kernel: 1, padding: 0}}]}\n"
            "  nothing: {block: nothing, nodes: [{c: {op: relu, when: false}}]}\n"
            "  many: {block: many, nodes: [{u: {block: unit, repeat: 3}}, {c: {op: gelu, repeat: 2}}]}\n"
            "  gap: {block: gap, nodes: [{u: {block: nothing, repeat: 3}}, {c: {op: identity, repeat: 2}}, {v: {op: relu}}]}\n"
        )
    )
    compile(source(build(load_text(text))), "generated", "exec")


def test_the_head_says_what_this_is() -> None:
    graph = build(load("cmt_nano"))
    text = source(graph)
    assert text.startswith(f'"""cmt_nano: [n, 3, 32, 32] -> [n, 10], {len(graph.nodes)} operators.\n')
    assert graph.fingerprint[:16] in text
    assert sum(scope.stage for scope in graph.scopes) == 3


def test_longest_line_can_be_read() -> None:
    text = source(build(load("cmt_b")))
    assert max(map(len, text.splitlines())) <= 160


def test_outputs_end_where_the_last_of_them_is() -> None:
    from cmt_dsl import pyramid

    graph = build(load("cmt_nano"))
    text = source(graph, outputs=pyramid(graph))
    assert "return (stages_0, stages_1, stages_2,)" in text and "CmtHead" not in text
    assert "CmtHead" in source(graph) and source(graph, outputs=("stages.1", "head")).count("Stage3") == 2


def test_an_output_inside_a_block_ends_it_there() -> None:
    graph = build(load("cmt_nano"))
    text = source(graph, outputs=("stages.1.blocks.0.attn.scores",))
    assert "CmtHead" not in text and "Stage2" in text and "Irffn" not in text.partition("stages.1")[2]


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (("stages.1.blocks.0", "head"), "two values would leave it"),
        (("stage.1",), "no node or block"),
    ],
)
def test_outputs_that_a_cell_cannot_give(paths: tuple[str, ...], words: str) -> None:
    with pytest.raises(CmtError, match=words) as caught:
        source(build(load("cmt_nano")), outputs=paths)
    assert caught.value.code == "CMT-404"
