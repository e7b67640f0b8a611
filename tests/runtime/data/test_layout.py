"""Folders that are laid out otherwise: named, with what would work; held-out images made; the same data or not."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl import load
from cmt_dsl.errors import CmtError
from runtime.data.held_out import Asked, HeldOut, held_out
from runtime.data.identity import difference
from runtime.data.splitting import SPLIT, hold_out, read_split, write_split
from runtime.recipe.read import load_recipe
from tests.runtime.data.made import STILL, make_folder, opened, smooth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "d", 6, 3)


def refusal(root: Path, **group: object) -> tuple[str, str]:
    with pytest.raises(CmtError) as found:
        opened(root, STILL, **group)
    assert found.value.code == "CMT-501"
    return found.value.problems[0].message, found.value.problems[0].hint


@pytest.mark.parametrize("name", ["valid", "validation", "Val", "test", "DEV", "Valset", "images/val"])
def test_other_names_of_the_held_out_part(folder: Path, name: str) -> None:
    (folder / "images").mkdir()
    (folder / "val").rename(folder / name)
    message, hint = refusal(folder)
    assert (
        message == f"there is no folder {folder / 'val'}; there is {name}/" and hint == f"--val-name {name}"
    )
    assert opened(folder, STILL, val_name=name).val_size == 6


def test_another_name_of_the_training_part(folder: Path) -> None:
    (folder / "train").rename(folder / "Training")
    assert refusal(folder)[1] == "--train-name Training"
    assert opened(folder, STILL, train_name="Training").train_size == 12


@pytest.mark.parametrize("deep", ["gym", "a/b"])
def test_an_archive_that_unpacked_too_deep(tmp_path: Path, deep: str) -> None:
    make_folder(tmp_path / "X" / deep, 1, 1)
    message, hint = refusal(tmp_path / "X")
    place = tmp_path / "X" / deep
    assert f"train/ and val/ are in {place}" in message and hint == f"--data {place}"
    (place / "val").rename(place / "valid")
    assert refusal(tmp_path / "X")[1] == f"--data {place} --val-name valid"
    shutil.rmtree(place / "valid")
    assert refusal(tmp_path / "X")[1] == f"--data {place} --set data.split=0.1"


def test_a_part_given_as_the_whole(folder: Path) -> None:
    for part in ("train", "val"):
        message, hint = refusal(folder / part)
        assert "is one part of the data itself" in message and hint == f"--data {folder}"
    (folder / "val").rename(folder / "valid")
    assert refusal(folder / "train")[1] == f"--data {folder} --val-name valid"


def test_the_folder_one_stands_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "train")
    assert refusal(Path())[1] == "--data .."
    monkeypatch.chdir(folder)
    assert refusal(Path("train"))[1] == "--data ."


def test_class_folders_without_parts(folder: Path, tmp_path: Path) -> None:
    (folder / "train").rename(tmp_path / "classes")
    message, hint = refusal(tmp_path / "classes")
    assert "2 class folders lie in it directly (ant, zebra)" in message
    assert hint.startswith("--train-name . --set data.split=0.1")
    source = opened(tmp_path / "classes", STILL, train_name=".", split=0.34)
    assert (source.classes, source.train_size, source.val_size) == (("ant", "zebra"), 8, 4)
    assert opened(tmp_path / "classes", None, val_name=".").val_size == 12


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK")
    (tmp_path / "x.jpg").write_bytes(b"x")
    (tmp_path / "a b.tar.gz").write_bytes(b"PK")
    (tmp_path / "val_labels.txt").write_bytes(b"x")
    (tmp_path / "images").mkdir()
    at = {
        name: refusal(tmp_path / name)
        for name in ("x.zip", "a b.tar.gz", "x.jpg", "val_labels.txt", "imges", "q")
    }
    here = tmp_path
    assert at["x.zip"] == (
        f"{here}/x.zip is an archive",
        f"unzip {here}/x.zip -d {here}/x, then --data {here}/x",
    )
    assert at["a b.tar.gz"][1] == (
        f"mkdir '{here}/a b'; tar xf '{here}/a b.tar.gz' -C '{here}/a b', then --data '{here}/a b'"
    )
    assert at["x.jpg"][0].endswith("is one image") and f"cmt predict CKPT {here}/x.jpg" in at["x.jpg"][1]
    assert at["val_labels.txt"] == (f"{here}/val_labels.txt is a file", f"give its folder: --data {here}")
    assert "there is no folder" in at["imges"][0] and at["imges"][1] == "did you mean 'images'?"
    assert at["q"][1] == "--data digits needs no folder"


def test_images_without_classes(tmp_path: Path) -> None:
    smooth(1).save(tmp_path / "a.jpg")
    assert "1 images lie in" in refusal(tmp_path)[0] and "each class needs a folder" in refusal(tmp_path)[1]


def test_held_out_images_are_split_off_by_name(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "val")
    assert refusal(folder)[1].startswith("--set data.split=0.1")
    source = opened(folder, STILL, split=0.34)
    assert (source.train_size, source.val_size) == (8, 4)
    names = [{os.path.relpath(p, folder) for p in source.stored[s].paths} for s in ("train", "val")]
    assert not names[0] & names[1] and len(names[0] | names[1]) == 12
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    again = opened(moved, None, split=0.34)
    assert {os.path.relpath(p, moved) for p in again.stored["val"].paths} == names[1]
    (folder / "val").mkdir()
    with pytest.raises(CmtError, match=r"data.split is for data without held-out images") as found:
        opened(folder, STILL, split=0.5)
    assert found.value.code == "CMT-801"


def test_the_same_data_is_names_sizes_and_labels(folder: Path, tmp_path: Path) -> None:
    known = opened(folder).identity
    moved = shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert difference(known, opened(moved).identity) == ""
    (moved / "train" / "ant" / "003.jpg").unlink()
    (moved / "train" / "zebra" / "new.jpg").write_bytes(b"x" * 99)
    assert difference(known, opened(moved).identity) == (
        "class ant of train held 6 images, now 5; class zebra of train held 6 images, now 7"
    )
    shutil.copy(folder / "train" / "ant" / "002.jpg", moved / "train" / "ant" / "006.jpg")
    (moved / "train" / "zebra" / "000.jpg").unlink()
    assert difference(known, opened(moved).identity) == (
        "class ant of train held 6 images, now others; class zebra of train held 6 images, now others"
    )
    shutil.copy(moved / "val" / "ant" / "000.jpg", moved / "val" / "ant" / "001.jpg")
    assert difference({"val": known["val"]}, opened(moved).identity).startswith(
        "class ant of val held 3 images"
    )
    (moved / "train").rename(moved / "training")
    assert opened(moved, train_name="training").identity["train"] != known["train"]
    again = shutil.copytree(folder, tmp_path / "again")
    (again / "train").rename(again / "training")
    os.utime(again / "val" / "ant" / "000.jpg", (1, 1))
    assert opened(again, train_name="training").identity == known


def test_a_split_is_of_each_class_and_a_function_of_the_names(tmp_path: Path) -> None:
    names = [f"c{n % 3}/{n:04d}.jpg" for n in range(300)]
    labels = np.array([n % 3 for n in range(300)])
    one = hold_out(names, labels, 0.1, 0, "here")
    assert Counter(name[:2] for name in one.held_out) == {"c0": 10, "c1": 10, "c2": 10}
    assert one == hold_out(names[::-1], labels[::-1], 0.1, 0, "here")
    other = hold_out(names, labels, 0.1, 1, "here")
    assert 0 <= len(set(one.held_out) & set(other.held_out)) < 12  # 3 in the mean
    more = hold_out([*names, "c0/new.jpg"], np.append(labels, 0), 0.1, 0, "here")
    assert len(set(one.held_out) - set(more.held_out)) <= 1
    few = hold_out(["a", "b", "c"], np.array([0, 0, 1]), 0.9, 0, "here")
    assert len(few.held_out) == 1 and "c" not in few.held_out  # a class of one image trains
    with pytest.raises(CmtError, match="no class has two images"):
        hold_out(["a"], np.array([0]), 0.5, 0, "here")
    write_split(tmp_path, one)
    assert read_split(tmp_path / "last.safetensors") == one
    (tmp_path / SPLIT).write_text("[]")
    with pytest.raises(CmtError, match=r"cannot read .*split\.json"):
        read_split(tmp_path / "last.safetensors")


def test_a_run_validates_on_what_it_held_out(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "val")
    run = tmp_path / "run"
    run.mkdir()
    model, recipe = (
        load("cmt_nano", set={"classes": 2}),
        load_recipe("digits", overrides=("data.split=0.34",)),
    )
    trained = opened(folder, STILL, split=0.34)
    write_split(run, trained.split)
    for number in range(20):  # images that came later were neither trained nor held out
        shutil.copy(folder / "train/ant/000.jpg", folder / f"train/ant/new{number}.jpg")

    def held(beside: Path, asked: Asked | None = None) -> HeldOut:
        return held_out(str(folder), model, recipe.resolved(), ("ant", "zebra"), asked, beside)

    found = held(run / "last.safetensors")
    assert (
        found.source.val_size == 4
        and "held out: 4 of 32 images, as split.json of the run lists them" in found.notes
    )
    assert held(tmp_path / "elsewhere.safetensors").source.val_size == 9 + 2
    (folder / "test" / "ant").mkdir(parents=True)
    shutil.copy(folder / "train/ant/000.jpg", folder / "test/ant")
    assert held(run / "last.safetensors", Asked(val_name="test")).source.val_size == 1
    (folder / "train" / trained.split.held_out[0]).unlink()
    with pytest.raises(CmtError, match="1 of the 4 images that the run held out are not there") as gone:
        held(run / "last.safetensors")
    assert "split.json" in gone.value.problems[0].hint
