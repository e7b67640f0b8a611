"""Parts of a model by path, and layers; no framework needed."""

from __future__ import annotations

import pytest

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from runtime.recipe.read import load_recipe
from runtime.train.selection import check_against_model, frozen, layer_factors, recomputed
from tests.runtime.train.small import small


def test_layers_are_counted_from_the_stem_to_the_head() -> None:
    factors = layer_factors(build(load("cmt_ti")), 0.65)  # 2 + 2 + 10 + 2 blocks
    for path, layer in (
        ("stem.norm3.running_var", 0),
        ("stages.0.embed.proj.weight", 1),
        ("stages.0.position", 1),
        ("stages.0.blocks.0.attn.q.bias", 1),
        ("stages.0.blocks.1.attn.q.bias", 2),
        ("stages.2.embed.norm.bias", 5),
        ("stages.2.blocks.9.ffn.norm1.weight", 14),
        ("stages.3.blocks.1.lpu.conv.weight", 16),
        ("head.conv.weight", 17),
        ("head.fc.bias", 17),
    ):
        assert factors[path] == pytest.approx(0.65 ** (17 - layer), rel=1e-12), path
    assert set(layer_factors(small(), 1.0).values()) == {1.0}


def test_a_part_is_all_that_lies_below_it() -> None:
    graph = build(load("cmt_nano", set={"stages.1.depth": 11}))
    paths = {info.path for info in graph.params}
    assert frozen(graph, ["stem", "head.fc"]) == {p for p in paths if p.startswith(("stem.", "head.fc."))}
    found = frozen(graph, ["stages.1.blocks.1"])
    assert found and not any(p.startswith("stages.1.blocks.10") for p in found)
    assert frozen(graph, ["head.fc.bias"]) == {"head.fc.bias"} and frozen(graph, []) == set()
    assert recomputed(graph, ["stages.0", "stages.1.blocks.10"]) == [
        "stages.0.blocks.0", "stages.1.blocks.10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("override", "code", "path", "hint"),
    [
        ("train.freeze=[stem, stage.0]", "CMT-803", "train.freeze.1", "stages.0"),
        ("train.freeze=[stages.7]", "CMT-803", "train.freeze.0", "stages."),
        ("train.recompute=[stem]", "CMT-803", "train.recompute.0", "known: stages.0, stages.1"),
        ("train.recompute=[stages.0.embed]", "CMT-803", "train.recompute.0", "stages.0"),
        ("train.freeze=[stem, stages, head]", "CMT-801", "train.freeze", "head"),
    ],
)
def test_a_part_that_is_not_there_is_named(override: str, code: str, path: str, hint: str) -> None:
    with pytest.raises(CmtError) as found:
        check_against_model(load_recipe("digits", overrides=(override,)), small())
    [problem] = found.value.problems
    assert (problem.code, problem.path) == (code, path) and hint in problem.hint
