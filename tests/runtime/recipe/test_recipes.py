"""Recipes: every shipped one loads, every mistake is named with its place; no framework needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmt_dsl.errors import CmtError, SpecError
from cmt_dsl.spec import names
from runtime.recipe.read import check_against_data, is_recipe_path, load_recipe, recipe_from

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
        "import sys, runtime.recipe.read, runtime.cli.train; runtime.recipe.read.load_recipe('digits');"
        "print([m for m in ('numpy', 'mindspore', 'sklearn', 'networkx') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        == "[]\n"
    )
