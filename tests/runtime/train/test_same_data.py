"""A run goes on with the same images only: taken from one class and given to another, changed or renamed, no framework."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint
from runtime.data.open import open_source
from runtime.data.source import View
from runtime.recipe.read import load_recipe
from runtime.train.resume import Continuation, require_same
from tests.runtime.data.made import make_folder

SETS = ("train.batch=4", "schedule.warmup_epochs=0", "train.epochs=2")


def opened(data: Path | str, *sets: str) -> tuple[Any, Any, Any]:
    spec, recipe = load("cmt_nano", set={"classes": 2}), load_recipe("digits", overrides=(*SETS, *sets))
    return spec, recipe, open_source(str(data), View.of(spec), augment=recipe.augment, group=recipe.data)


def point(data: Path, *sets: str) -> Continuation:
    """Of a run after its first step."""
    spec, recipe, source = opened(data, *sets)
    graph = build(spec)
    loop = {
        "over": False,
        "images": [source.train_size, source.val_size],
        "data": source.identity,
        "workers": 1,
    }
    weights = Checkpoint({"w": np.zeros(1, np.float32)}, spec.resolved(), graph.fingerprint, source.classes,
                         recipe.resolved(), {}, 1, 1, source.name)  # fmt: skip
    return Continuation(weights, {}, loop, "x")


def goes_on(known: Continuation, data: Path | str, *sets: str) -> str:
    """ "" if the run goes on with that data, else why not."""
    spec, recipe, source = opened(data, *sets)
    try:
        require_same(known, spec, build(spec).fingerprint, recipe, source)
    except CmtError as error:
        assert error.code == "CMT-707"
        return error.problems[0].message
    return ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "d", 6, 3)


def test_a_copy_under_another_name_is_the_same_data(folder: Path, tmp_path: Path) -> None:
    known = point(folder)
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)  # with times of its own
    (copy / "train" / "ant" / "notes.txt").write_text("no image")
    assert goes_on(known, copy) == ""
    (copy / "train").rename(copy / "training")
    assert goes_on(known, copy, "data.train_name=training") == ""


def test_an_image_taken_from_one_class_and_added_to_another(folder: Path) -> None:
    known = point(folder)
    (folder / "train/ant/000.jpg").rename(folder / "train/zebra/new.jpg")
    says = goes_on(known, folder)
    assert "class ant of train held 6 images, now 5; class zebra of train held 6 images, now 7" in says


@pytest.mark.parametrize("change", ["size", "name", "val", "swap"])
def test_as_many_images_and_others(folder: Path, change: str) -> None:
    known = point(folder)
    one = folder / ("val" if change == "val" else "train") / "zebra" / "001.jpg"
    if change == "name":
        one.rename(one.with_name("0010.jpg"))
    elif change == "swap":
        other = folder / "train" / "ant" / "002.jpg"
        keep = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(keep)
    else:
        one.write_bytes(one.read_bytes() + b"\0")
    split = one.parent.parent.name
    assert f"class zebra of {split} held {6 if split == 'train' else 3} images, now others" in goes_on(
        known, folder
    )


def test_another_split_of_the_same_images(folder: Path) -> None:
    shutil.rmtree(folder / "val")
    known = point(folder, "data.split=0.5")
    assert goes_on(known, folder, "data.split=0.5") == ""
    assert "data.split was 0.5, is 0.4" in goes_on(known, folder, "data.split=0.4")
    assert "data.split_seed was 0, is 1" in goes_on(known, folder, "data.split=0.5", "data.split_seed=1")


def test_many_classes_are_told_in_short(tmp_path: Path) -> None:
    from runtime.data.identity import difference

    old = {"train": {f"c{n}": f"{n} a" for n in range(9)}}
    new = {"train": {f"c{n}": f"{n} b" for n in range(9)}}
    assert difference(old, new).endswith("class c2 of train held 2 images, now others; and 6 other classes")
    assert difference({}, new) == ""  # a run of before
