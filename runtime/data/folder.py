"""Images in class folders: DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, or a flat DIR/val with a list of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.data.labels import labelled
from runtime.data.pictures import InOrder, Pictures
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
Census = dict[str, list[str]]
"""Sorted image paths of each class."""


class Files(InOrder):
    """Image files with labels, class after class."""

    def __init__(self, census: Census, classes: tuple[str, ...]):
        self.paths = [path for name in classes for path in census[name]]
        counts = [len(census[name]) for name in classes]
        self.labels = np.repeat(np.arange(len(classes), dtype=np.int32), counts)

    def name(self, index: int) -> str:
        return printable(self.paths[index])

    def read(self, index: int) -> bytes:
        return Path(self.paths[index]).read_bytes()


def open_folder(root: Path, view: View, augment: AugmentGroup | None, group: DataGroup) -> Pictures:
    """Classes are the folder names in alphabetical order, the same for train and val; CMT-501, 502, 508."""
    train, val, notes = folder_census(root, only_val=augment is None)
    classes = tuple(sorted(val))
    stored = {"val": Files(val, classes)}
    if train is not None:
        stored["train"] = Files(train, classes)
    shown = tuple(printable(name) for name in classes)
    return Pictures(printable(str(root)), shown, dict(stored), view, augment, group, notes)


def folder_census(root: Path, *, only_val: bool = False) -> tuple[Census | None, Census, tuple[str, ...]]:
    """(train, val, notes) of a folder; train may be missing if `only_val`."""
    train = _census(root / "train") if not only_val or (root / "train").is_dir() else None
    flat = _is_flat(root / "val")
    if flat:
        files = {Path(path).name: path for path in _images(str(root / "val"), set())}
        val = labelled(files, None if train is None else {n for n in train if train[n]}, root)
    else:
        val = _census(root / "val")
    empty = [name for name in {**(train or {}), **val} if not val.get(name) and not (train or {}).get(name)]
    train, val = (
        None if split is None else {name: files for name, files in split.items() if name not in empty}
        for split in (train, val)
    )
    assert val is not None
    for split, found in (("train", train), ("val", val)):
        _require_images(root / split, found)
    if train is not None:
        _same_classes(root, train, val, lenient=flat)
        if flat:
            val = {name: val.get(name, []) for name in train}
    notes = [f"{printable(name)}/ holds no image and is no class" for name in sorted(empty)]
    return train, val, tuple(notes)


def _census(split: Path) -> Census:
    if not split.is_dir():
        raise CmtError(
            "CMT-501",
            f"there is no folder {split}",
            hint=f"images belong in {split.parent}/train/CLASS/ and {split.parent}/val/CLASS/",
        )
    try:
        found = {
            entry.name: sorted(_images(entry.path, set()))
            for entry in os.scandir(split)
            if entry.is_dir() and not entry.name.startswith(".")
        }
    except OSError as error:
        raise CmtError("CMT-501", f"cannot read {error.filename}: {error.strerror}") from None
    if not found:
        raise CmtError("CMT-501", f"{split} has no class folders", hint=f"put images in {split}/CLASS/")
    return found


def _images(folder: str, above: set[tuple[int, int]]) -> Iterator[str]:
    """Image files below a folder, through links too; `above` are the folders on the way, against links in a circle."""
    at = os.stat(folder)  # noqa: PTH116
    if (at.st_dev, at.st_ino) in above:
        return
    above = above | {(at.st_dev, at.st_ino)}
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _images(entry.path, above)
        elif entry.name.lower().endswith(EXTENSIONS):
            yield entry.path


def _is_flat(split: Path) -> bool:
    """Whether a folder holds images and no folder that does."""
    if not split.is_dir():
        return False
    entries = [e for e in os.scandir(split) if not e.name.startswith(".")]
    files = any(not e.is_dir() and e.name.lower().endswith(EXTENSIONS) for e in entries)
    return files and not any(e.is_dir() and any(_images(e.path, set())) for e in entries)


def _require_images(split: Path, found: Census | None) -> None:
    empty = sorted(name for name, images in (found or {}).items() if not images)
    if empty or found == {}:
        others = f" (nor do {len(empty) - 1} others)" if len(empty) > 1 else ""
        where = f"class folder {printable(str(split / empty[0]))}" if empty else str(split)
        raise CmtError(
            "CMT-501",
            f"{where} holds no image{others}",
            hint="images end in " + ", ".join(EXTENSIONS),
        )


def _same_classes(root: Path, train: Census, val: Census, *, lenient: bool) -> None:
    for has, lacks, names in (
        ("val", "train", set(val) - set(train)),
        ("train", "val", set() if lenient else set(train) - set(val)),
    ):
        if names:
            some = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
            raise CmtError(
                "CMT-502",
                f"{root}: {len(names)} class(es) in {has}/ but not in {lacks}/: {printable(some)}",
                hint="both folders need the same classes, spelled alike",
            )


def printable(name: str) -> str:
    """A file name that can be printed and stored: bytes that are no text are shown as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
