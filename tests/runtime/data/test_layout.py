"""Folders that are laid out otherwise: named, with what would work; held-out images made; the same data or not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cmt_dsl.errors import CmtError
from runtime.data.identity import difference
from tests.runtime.data.made import STILL, make_folder, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "d", 6, 3)


def refusal(root: Path, **group: object) -> tuple[str, str]:
    with pytest.raises(CmtError) as found:
        opened(root, STILL, **group)
    assert found.value.code == "CMT-501"
    return found.value.problems[0].message, found.value.problems[0].hint


@pytest.mark.parametrize("name", ["valid", "validation", "Val", "test", "DEV"])
def test_other_names_of_the_held_out_part(folder: Path, name: str) -> None:
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
    assert "there are train/ and val/ in" in message and hint == f"--data {tmp_path / 'X' / deep}"


def test_a_part_given_as_the_whole(folder: Path) -> None:
    for part in ("train", "val"):
        message, hint = refusal(folder / part)
        assert "is one part of the data itself" in message and hint == f"--data {folder}"


def test_class_folders_without_parts(folder: Path, tmp_path: Path) -> None:
    (folder / "train").rename(tmp_path / "classes")
    message, hint = refusal(tmp_path / "classes")
    assert "class folders lie in" in message and "train/CLASS" in hint


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK")
    (tmp_path / "x.jpg").write_bytes(b"x")
    assert "is an archive" in refusal(tmp_path / "x.zip")[0]
    assert refusal(tmp_path / "x.jpg") == (
        f"{tmp_path / 'x.jpg'} is a file",
        f"give the folder: --data {tmp_path}",
    )
    assert "there is no folder" in refusal(tmp_path / "none")[0]


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
    assert difference(known, opened(moved).identity) == "class ant of train held 6 images, now 5"
    shutil.copy(folder / "train" / "ant" / "002.jpg", moved / "train" / "ant" / "006.jpg")
    (moved / "train" / "zebra" / "000.jpg").unlink()
    assert difference(known, opened(moved).identity) == "class ant of train held 6 images, and now others"
    shutil.copy(moved / "val" / "ant" / "000.jpg", moved / "val" / "ant" / "001.jpg")
    assert difference(known["val"] and {"val": known["val"]}, opened(moved).identity).startswith(
        "class ant of val"
    )


LISTS = {
    "csv": "file,label\na b.jpg,big cat\nsub/c.jpg,dog\n",
    "quoted": '"a b.jpg","big cat"\n"sub/c.jpg","dog"\n',
    "semicolon": "a b.jpg;big cat\nsub/c.jpg;dog\n",
    "tab": "a b.jpg\tbig cat\nsub/c.jpg\tdog\textra\n",
    "blanks": "a b.jpg big cat\nsub/c.jpg dog 7 8\n",
    "windows": "a b.jpg big cat\r\nsub\\c.jpg dog\r\n",
    "from the root": "./val/a b.jpg big cat\n./val/sub/c.jpg dog\n",
    "stems": "a b,big cat\nc,dog\n",
    "mark": "\ufeffa b.jpg,big cat\nsub/c.jpg,dog\n",
}


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    root = make_folder(tmp_path / "d", 1, 1, ("big cat", "dog"))
    (root / "val" / "big cat" / "000.jpg").rename(root / "val" / "a b.jpg")
    (root / "val" / "sub").mkdir()
    (root / "val" / "dog" / "000.jpg").rename(root / "val" / "sub" / "c.jpg")
    for name in ("big cat", "dog"):
        (root / "val" / name).rmdir()
    return root


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_labels(listed: Path, name: str) -> None:
    (listed / "val_labels.txt").write_bytes(LISTS[name].encode())
    stored = opened(listed).stored["val"]
    assert [Path(path).name for path in stored.paths] == ["a b.jpg", "c.jpg"] and stored.labels.tolist() == [
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LISTS["csv"].encode("utf-16"), "is UTF-16, not UTF-8"),
        (b"a b.jpg big cat\nsub/c.jpg caf\xe9\n", "val_labels.txt:2: the byte 0xe9 is not UTF-8"),
        (b"a b.jpg,big cat\nsub/c.jpg,cow\n", "val_labels.txt:2: 'cow' is no class folder"),
        (b'a b.jpg,"big cat\nsub/c.jpg,dog\n', "val_labels.txt:"),
    ],
)
def test_lists_that_are_refused(listed: Path, content: bytes, message: str) -> None:
    (listed / "val_labels.txt").write_bytes(content)
    with pytest.raises(CmtError) as found:
        opened(listed)
    assert found.value.code == "CMT-508" and message in str(found.value) and found.value.problems[0].hint
