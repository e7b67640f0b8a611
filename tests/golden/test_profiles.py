"""Every row of «Where the three disagree», asserted on what the graphs hold."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from cmt_dsl import Graph, Model, build, load


@lru_cache(maxsize=16)
def loaded(model: str, profile: str) -> tuple[Model, Graph]:
    found = load(model, set={"profile": profile})
    return found, build(found)


def values(graph: Graph, kind: str, name: str, below: str = "") -> set[Any]:
    return {getattr(n.op, name) for n in graph.nodes if n.op.kind == kind and below in n.path}


@pytest.mark.parametrize(("profile", "form"), [("official", "erf"), ("mindcv", "tanh"), ("paper", "erf")])
def test_gelu(profile: str, form: str) -> None:
    assert values(loaded("cmt_ti", profile)[1], "gelu", "form") == {form}


@pytest.mark.parametrize(
    ("profile", "block", "embed"), [("official", 1e-6, 1e-5), ("mindcv", 1e-7, 1e-7), ("paper", 1e-6, 1e-5)]
)
def test_layer_norm_epsilon(profile: str, block: float, embed: float) -> None:
    graph = loaded("cmt_ti", profile)[1]
    assert values(graph, "layer_norm", "eps", ".blocks.") == {block}
    assert values(graph, "layer_norm", "eps", ".embed.") == {embed}


@pytest.mark.parametrize("profile", ["official", "mindcv", "paper"])
def test_batch_norm(profile: str) -> None:
    graph = loaded("cmt_ti", profile)[1]
    assert values(graph, "batch_norm", "eps") == {1e-5}
    assert values(graph, "batch_norm", "momentum") == {0.1}


def biases(profile: str) -> dict[str, tuple[int, ...]]:
    graph = loaded("cmt_ti", profile)[1]
    return {n.path: n.type.sizes for n in graph.nodes if n.op.kind == "parameter"}


def test_position_bias_is_one_per_stage_officially() -> None:
    assert biases("official") == {
        "stages.0.position": (1, 1600, 25),
        "stages.1.position": (2, 400, 25),
        "stages.2.position": (4, 100, 25),
        "stages.3.position": (8, 25, 25),
    }
    graph = loaded("cmt_ti", "official")[1]
    readers = [n.path for n in graph.nodes if "stages.2.position" in n.inputs]
    assert readers == [f"stages.2.blocks.{i}.attn.biased" for i in range(10)]
    assert {p.init for p in graph.params if p.path.endswith("position")} == {"normal"}


def test_position_bias_is_one_per_module_in_the_paper() -> None:
    found = biases("paper")
    assert len(found) == 2 + 2 + 10 + 2
    assert found["stages.2.blocks.9.attn.bias"] == (4, 100, 25)


def test_mindcv_has_no_position_bias() -> None:
    assert biases("mindcv") == {}


@pytest.mark.parametrize(("profile", "ratio"), [("official", 3.77), ("mindcv", 3.8), ("paper", 3.8)])
def test_expansion_of_xs(profile: str, ratio: float) -> None:
    graph = loaded("cmt_xs", profile)[1]
    widths = [n.type.sizes[0] for n in graph.nodes if n.path.endswith("blocks.0.ffn.expand")]
    assert widths == [int(dim * ratio) for dim in (52, 104, 208, 416)]
    others = loaded("cmt_ti", profile)[1].by_path["stages.0.blocks.0.ffn.expand"]
    assert others.type.sizes[0] == int(46 * 3.6)


@pytest.mark.parametrize("profile", ["official", "mindcv"])
def test_head_as_trained(profile: str) -> None:
    graph = loaded("cmt_s", profile)[1]
    kinds = [n.op.kind for n in graph.nodes if n.path.startswith("head.")]
    assert kinds == ["conv2d", "batch_norm", "silu", "global_avg_pool", "dropout", "linear"]
    assert graph.by_path["head.conv"].type.sizes == (1280, 7, 7)


def test_head_of_the_paper() -> None:
    graph = loaded("cmt_s", "paper")[1]
    kinds = [n.op.kind for n in graph.nodes if n.path.startswith("head.")]
    assert kinds == ["global_avg_pool", "linear", "dropout", "linear"]
    assert graph.by_path["head.expand"].type.sizes == (1280,)


@pytest.mark.parametrize(
    ("profile", "model", "rate"),
    [
        ("official", "cmt_ti", 0.1),
        ("official", "cmt_xs", 0.1),
        ("official", "cmt_s", 0.1),
        ("official", "cmt_b", 0.3),
        ("mindcv", "cmt_s", 0.0),
        ("mindcv", "cmt_b", 0.0),
        ("paper", "cmt_b", 0.3),
    ],
)
def test_head_dropout(profile: str, model: str, rate: float) -> None:
    assert values(loaded(model, profile)[1], "dropout", "rate") == {rate}


@pytest.mark.parametrize(
    ("profile", "crop", "decay"), [("official", 0.875, False), ("mindcv", 0.9, True), ("paper", 0.875, False)]
)
def test_crop_and_decay_are_told_to_the_runtime(profile: str, crop: float, decay: bool) -> None:
    values = loaded("cmt_s", profile)[0].profile_values
    assert values["eval_crop"] == crop
    assert values["decay_norm_and_bias"] is decay


def test_what_decays_by_nature() -> None:
    graph = loaded("cmt_ti", "official")[1]
    decayed = {p.path.rsplit(".", 1)[-1] for p in graph.params if p.decay}
    kinds = {graph.by_path[p.node].op.kind for p in graph.params if p.decay}
    assert (decayed, kinds) == ({"weight"}, {"conv2d", "linear"})


def test_drop_path_rises_linearly_over_all_blocks() -> None:
    graph = loaded("cmt_s", "official")[1]
    rates = [n.op.rate for n in graph.nodes if n.op.kind == "drop_path"]  # type: ignore[attr-defined]
    assert rates == pytest.approx([0.1 * i / 24 for i in range(25) for _ in range(2)])


def test_initial_values_by_kind() -> None:
    graph = loaded("cmt_ti", "official")[1]
    by_kind = {(graph.by_path[p.node].op.kind, p.path.rsplit(".", 1)[-1]): p.init for p in graph.params}
    assert by_kind["conv2d", "weight"] == "he_fan_out"
    assert by_kind["linear", "weight"] == "trunc_normal_02"
    assert by_kind["linear", "bias"] == by_kind["conv2d", "bias"] == "zeros"
    assert by_kind["layer_norm", "weight"] == by_kind["batch_norm", "running_var"] == "ones"
