"""The exact figures of shared/REFERENCE.md, and a cost table per shipped model."""

from __future__ import annotations

import pytest

from cmt_dsl import Cost, build, cost, load
from cmt_dsl.cost import Tally
from tests.golden.files import compare
from tests.tiny import MODELS

OFFICIAL = {
    "cmt_ti": (160, 9_492_426, 638_904_600),
    "cmt_xs": (192, 15_247_208, 1_546_873_472),
    "cmt_s": (224, 26_256_160, 4_031_742_464),
    "cmt_b": (256, 45_715_076, 9_317_124_096),
}
PAPER = {"cmt_ti": (9.49, 0.64), "cmt_xs": (15.24, 1.54), "cmt_b": (45.72, 9.33)}


def table(name: str, whole: Cost) -> str:
    parts = whole.grouped(part)
    parts.pop("input")
    lines = [f"{name:12}{'trainable':>14}{'statistics':>12}{'MACs':>16}{'activations':>14}"]
    lines += [line(path, tally) for path, tally in [*parts.items(), ("total", whole.total)]]
    return "\n".join(lines) + "\n"


def part(path: str) -> str:
    """stem, stages.N, head."""
    return ".".join(path.split(".")[: 2 if path.startswith("stages.") else 1])


def line(path: str, t: Tally) -> str:
    return f"{path:12}{t.trainable:>14,}{t.statistics:>12,}{t.macs:>16,}{t.activations:>14,}"


@pytest.mark.parametrize("name", MODELS)
def test_cost_table(name: str) -> None:
    whole = cost(build(load(name)))
    compare(f"costs/{name}.txt", table(name, whole))


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_figures(name: str) -> None:
    model = load(name)
    total = cost(build(model)).total
    size, parameters, macs = OFFICIAL[name]
    assert model.profile.profile == "official"
    assert (model.input.height, model.input.width, model.input.channels) == (size, size, 3)
    assert total.trainable == parameters
    assert total.macs == macs


@pytest.mark.parametrize("name", PAPER)
def test_the_figures_printed_in_the_paper(name: str) -> None:
    total = cost(build(load(name))).total
    millions, billions = PAPER[name]
    assert abs(total.trainable / 1e6 - millions) < 0.01
    assert abs(total.macs / 1e9 - billions) < 0.015


def test_mindcv_small() -> None:
    total = cost(build(load("cmt_s", set={"profile": "mindcv"}))).total
    assert total.trainable == 25_968_040
    assert total.trainable + total.statistics == 26_091_880


def test_the_demo_model_is_small_and_has_every_unit() -> None:
    graph = build(load("cmt_nano"))
    assert cost(graph).total.trainable < 500_000
    assert graph.input.type.sizes == (3, 32, 32)
    blocks = {scope.block for scope in graph.scopes}
    assert {"conv_stem", "patch_embed", "cmt", "lpu", "lmhsa", "irffn", "cmt_head"} <= blocks
