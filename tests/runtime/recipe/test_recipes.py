"""Recipes: every shipped one loads, every mistake is named with its place; no framework needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmt_dsl.errors import CmtError, SpecError
from cmt_dsl.spec import names
from runtime.recipe.read import check_against_data, is_recipe_path, load_recipe, recipe_from, recipe_warnings
from runtime.recipe.schema import FixedScale
from runtime.train.schedule import rates

ROOT = Path(__file__).parents[3]
PUBLISHED = {"cmt_ti": 3.2e-3, "cmt_xs": 2.8e-3, "cmt_s": 1e-3, "cmt_b": 5e-4, "cmt_small_ascend": 2e-3}


@pytest.mark.parametrize("name", names("recipes"))
def test_every_shipped_recipe_loads_and_survives_its_own_plain_data(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.recipe == name
    assert recipe_from(recipe.resolved()) == recipe


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_peak_rates_on_eight_devices(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.peak_lr(8 * recipe.train.batch) == pytest.approx(PUBLISHED[name])


def test_all_mistakes_are_reported_at_once_with_places() -> None:
    with pytest.raises(SpecError) as found:
        load_recipe("digits", overrides=("train.epoch=3", "schedule.lr=x", "optimizer.name=adam"))
    text = str(found.value)
    assert [p.code for p in found.value.problems].count("CMT-111") == 2
    assert "train.epoch: unknown key 'epoch' [CMT-110]" in text and "did you mean 'epochs'?" in text


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("train.epochs=2", "schedule.warmup_epochs"),
        ("schedule.decay_epochs=50", "schedule.decay_epochs"),
        ("device.amp=O2", "device.amp"),
        ("augment.crop={scale: [0.5, 0.1], ratio: [1, 1]}", "augment.crop.scale"),
        ("augment.crop={scale: [0.5, 2], ratio: [1, 1]}", "augment.crop.scale"),
    ],
)
def test_contradictions(override: str, path: str) -> None:
    with pytest.raises(SpecError) as found:
        load_recipe("digits", overrides=(override,))
    [problem] = found.value.problems
    assert (problem.code, problem.path) == ("CMT-801", path)
    assert problem.place and problem.hint


@pytest.mark.parametrize(
    ("override", "code", "path", "says"),
    [
        ("optimizer.name=sgd", "CMT-110", "optimizer.betas", "unknown key 'betas' of sgd"),
        ("optimizer.name=adam", "CMT-111", "optimizer.name", "'adamw', 'lamb', 'sgd', not 'adam'"),
        ("optimizer={name: sgd, weight_decay: 0}", "CMT-112", "optimizer.momentum", "missing"),
        ("optimizer={weight_decay: 0}", "CMT-112", "optimizer.name", "missing"),
        ("optimizer.nesterov=true", "CMT-110", "optimizer.nesterov", "unknown key 'nesterov' of adamw"),
        ("optimizer.layer_decay=1.5", "CMT-111", "optimizer.layer_decay", "not 1.5"),
        (
            "device.loss_scale={fixed: 4, window: 2}",
            "CMT-110",
            "device.loss_scale.window",
            "of a fixed scale",
        ),
        ("train.ema={decay: 1}", "CMT-111", "train.ema.decay", "less than 1"),
        ("train.init_weights=ema", "CMT-801", "train.init_weights", "no train.init"),
        ("train.init_depth=true", "CMT-801", "train.init_depth", "no train.init"),
        ("device={target: CPU, amp: O2, amp_dtype: bfloat16}", "CMT-804", "device.amp_dtype", "on the CPU"),
        ("device={amp: O3, amp_dtype: bfloat16}", "CMT-801", "device.amp_dtype", "batch norm"),
    ],
)
def test_a_field_that_the_chosen_kind_lacks_is_named(override: str, code: str, path: str, says: str) -> None:
    with pytest.raises(SpecError) as found:
        load_recipe("digits", overrides=(override,))
    problem = next(p for p in found.value.problems if p.path == path)
    assert problem.code == code and says in problem.message and problem.place


def test_recomputing_needs_the_graph_compiler() -> None:
    with pytest.raises(SpecError, match="pynative has none"):
        load_recipe("digits", overrides=("train.recompute=[stages.0]", "device.mode=pynative"))


def test_a_whole_mapping_replaces_a_group_of_another_kind() -> None:
    recipe = load_recipe(
        "cmt_small_ascend",
        overrides=(
            "optimizer={name: sgd, momentum: 0.9, weight_decay: 0}",
            "device.loss_scale={fixed: 1024}",
        ),
    )
    assert recipe.optimizer.name == "sgd" and recipe.device.loss_scale == FixedScale(fixed=1024)
    assert load_recipe("cmt_small_ascend", overrides=("device.amp_dtype=bfloat16",)).device.amp == "O2"


def test_the_rate_scales_with_the_images_of_an_update() -> None:
    one, four = (load_recipe("cmt_s", {"train.accumulate": n}) for n in (1, 4))
    assert rates(four, 10_000)[0] == pytest.approx(4 * rates(one, 10_000)[0]) == pytest.approx(5e-4)
    assert four.steps_per_epoch(10_000) == 76 and one.steps_per_epoch(10_000) == 78  # 19 updates of 4
    assert len(rates(four, 10_000)[1]) == 300 * 19
    assert rates(one, 10_000, devices=8)[0] == pytest.approx(1e-3)
    with pytest.raises(CmtError, match="128 × 160 per update") as found:
        check_against_data(load_recipe("cmt_s", overrides=("train.accumulate=20",)), 10_000, devices=8)
    assert found.value.code == "CMT-505"


def test_sinking_and_several_workers_exclude_each_other() -> None:
    recipe = load_recipe("digits", overrides=("train.sink=2",))
    check_against_data(recipe, 1437)
    with pytest.raises(CmtError, match="agree on stopping") as found:
        check_against_data(recipe, 1437, devices=2)
    assert (found.value.code, found.value.problems[0].path) == ("CMT-801", "train.sink")


def test_published_averages() -> None:
    found = {name: load_recipe(name).train.ema for name in ("cmt_ti", "cmt_xs", "cmt_s", "cmt_b")}
    assert {n: ema and ema.decay for n, ema in found.items()} == {
        "cmt_ti": None, "cmt_xs": 0.9998, "cmt_s": 0.99996, "cmt_b": 0.99996,
    }  # fmt: skip


def test_place_is_in_the_file(tmp_path: Path) -> None:
    text = (ROOT / "specs/recipes/digits.yaml").read_text().replace("epochs: 40", "epochs: 0")
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(
        SpecError, match=rf"mine\.yaml:{text.splitlines().index('  epochs: 0') + 1}:11: train\.epochs"
    ):
        load_recipe(str(file))


def test_a_model_is_no_recipe() -> None:
    with pytest.raises(CmtError, match="not a recipe") as found:
        load_recipe(str(ROOT / "specs/models/cmt_nano.yaml"))
    assert found.value.code == "CMT-802"


def test_batch_larger_than_the_data() -> None:
    with pytest.raises(CmtError, match="batch of 64 is larger than the training set of 40") as found:
        check_against_data(load_recipe("digits"), 40)
    assert found.value.code == "CMT-505"


def test_min_lr_above_the_scaled_peak() -> None:
    recipe = load_recipe("digits", overrides=("schedule.lr={base: 1e-6, per: 512}",))
    with pytest.raises(CmtError, match="min_lr"):
        check_against_data(recipe, 1000)


def test_overrides_make_groups_that_a_file_left_out() -> None:
    recipe = load_recipe("digits", overrides=("device.mode=pynative", "model.set.stages.2.depth=3"))
    assert recipe.device.mode == "pynative"
    assert recipe.model_sets() == {"stages.2.depth": 3}


def test_which_set_is_whose() -> None:
    assert is_recipe_path("train.epochs=3") and is_recipe_path("model.drop_path=0.1")
    assert not is_recipe_path("classes=3") and not is_recipe_path("stages.2.depth=4")


def test_config_imports_no_framework_and_no_numpy() -> None:
    code = (
        "import sys, runtime.recipe.read, runtime.cli.app; runtime.recipe.read.load_recipe('digits');"
        "print([m for m in ('numpy', 'mindspore', 'sklearn', 'networkx') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        == "[]\n"
    )


def test_what_another_field_switches_off_is_a_warning_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(
        (ROOT / "specs/recipes/digits.yaml").read_text() + "device:\n  loss_scale: {fixed: 1024}\n"
    )
    assert load_recipe(str(file)).device.loss_scale is not None
    (found,) = recipe_warnings(str(file))
    assert (found.code, found.severity, found.path) == ("CMT-820", "warning", "device.loss_scale")
    assert found.place is not None and found.place.line == len(file.read_text().splitlines())
