"""The same bytes within a class, under two classes and in both splits, against a count of all pairs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from runtime.data.equal import SIZE, digest, equal
from tests.cli.cmt import cmt
from tests.runtime.data.made import make_folder
from tests.runtime.data.test_cifar import make_cifar


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = {split: rng.integers(0, 25, 30) for split in ("train", "val")}
    labels = {split: rng.integers(0, 3, 30) for split in held}
    hashes = {
        split: np.array(
            [list(digest(bytes([value])) if value else bytes(SIZE)) for value in values], dtype=np.uint8
        )
        for split, values in held.items()
    }
    found = equal(hashes, labels)
    every = [(s, i, int(held[s][i]), int(labels[s][i])) for s in held for i in range(30)]
    for kind, differs in (
        ("within_class", lambda a, b: a[0] == b[0] and a[3] == b[3]),
        ("across_classes", lambda a, b: a[3] != b[3]),
        ("across_splits", lambda a, b: a[0] != b[0]),
    ):
        values = range(1, 25)
        groups = {v: [e for e in every if e[2] == v] for v in values}
        expected = {
            tuple((s, i) for s, i, _, _ in group)
            for group in groups.values()
            if any(differs(a, b) for n, a in enumerate(group) for b in group[:n])
        }
        assert set(getattr(found, kind)) == expected and len(getattr(found, kind)) == len(expected)
    assert equal({}, {}).across_splits == ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = make_folder(tmp_path / "d", 4, 2)
    shutil.copy(root / "train/ant/000.jpg", root / "val/ant/again.jpg")
    shutil.copy(root / "train/ant/001.jpg", root / "train/zebra/other.jfif")
    shutil.copy(root / "train/ant/002.jpg", root / "train/ant/twice.jpg")
    for number in (1, 2, 3):
        (root / "train" / "zebra" / f"00{number}.jpg").unlink()
    return root


def test_check_tells_what_is_there_twice_and_how_uneven_it_is(folder: Path) -> None:
    done = cmt("data", "check", folder, "--json")
    assert done.code == 1
    assert done.json["equal"] == {
        "within_class": [[f"{folder}/train/ant/002.jpg", f"{folder}/train/ant/twice.jpg"]],
        "across_classes": [[f"{folder}/train/ant/001.jpg", f"{folder}/train/zebra/other.jfif"]],
        "across_splits": [[f"{folder}/train/ant/000.jpg", f"{folder}/val/ant/again.jpg"]],
    }
    uneven = {"ratio": 2.5, "largest": ["ant", 5], "smallest": ["zebra", 2]}
    assert done.json["splits"]["train"]["imbalance"] == uneven
    told = cmt("data", "check", folder).out
    assert "largest class / smallest: 2.5 (ant 5, zebra 2)" in told
    for line in ("the same bytes in train and val: 1 time", "under two classes: 1", "within a class: 1"):
        assert line in told


def test_only_what_spoils_the_figures_fails_a_check(folder: Path) -> None:
    (folder / "val/ant/again.jpg").unlink()
    assert cmt("data", "check", folder).code == 1
    (folder / "train/zebra/other.jfif").unlink()
    done = cmt("data", "check", folder)
    assert done.code == 0 and "the same bytes within a class: 1 time" in done.out


def test_what_is_left_out_is_in_the_report(folder: Path) -> None:
    (folder / "train" / "ant" / "x.heic").write_bytes(b"x")
    (folder / "val" / "ant" / "x.txt").write_bytes(b"x")
    found = cmt("data", "check", folder, "--json").json
    assert [found["splits"][split]["left_out"] for split in ("train", "val")] == [{".heic": 1}, {".txt": 1}]
    assert any("1 .heic" in note for note in found["notes"])


def test_the_pictures_of_a_cifar_file_are_compared_too(tmp_path: Path) -> None:
    make_cifar(tmp_path, 0)
    place = tmp_path / "cifar-10-batches-bin"
    assert cmt("data", "check", tmp_path).code == 0
    train, test = (place / "data_batch_1.bin").read_bytes(), (place / "test_batch.bin").read_bytes()
    (place / "test_batch.bin").write_bytes(train[:3073] + test[3073:])
    found = cmt("data", "check", tmp_path, "--json")
    [[one, other]] = found.json["equal"]["across_splits"]
    assert (
        found.code == 1
        and one.endswith("data_batch_1.bin record 0")
        and other.endswith("test_batch.bin record 0")
    )


def test_check_and_pack_read_other_layouts(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", 10, 1)
    (root / "val").rename(root / "valid")
    assert "--val-name valid" in cmt("data", "check", root).err
    assert cmt("data", "check", root, "--val-name", "valid", "--json").json["splits"]["val"]["images"] == 2
    shutil.rmtree(root / "valid")
    assert "--set data.split=0.1" in cmt("data", "check", root).err
    found = cmt("data", "check", root, "--set", "data.split=0.2", "--json").json
    assert [found["splits"][split]["images"] for split in ("train", "val")] == [16, 4]
    refused = cmt("data", "check", root, "--set", "train.epochs=2")
    assert refused.code == 2 and "only data." in refused.err
