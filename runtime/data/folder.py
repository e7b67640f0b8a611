"""Images in class folders: DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, or a flat DIR/val with a list of labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError, did_you_mean
from runtime.data.classes import Order, order_of
from runtime.data.kinds import endings
from runtime.data.labels import find_list, labelled, names_folders
from runtime.data.layout import misplaced
from runtime.data.pictures import InOrder, Pictures
from runtime.data.source import View
from runtime.data.splitting import split_off
from runtime.data.walk import Walk, is_system, printable
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

Census = dict[str, list[str]]
"""Sorted image paths of each class."""
SHOWN = 5
"""Classes that a message names."""


class Files(InOrder):
    """Image files with labels, class after class."""

    def __init__(self, census: Census, classes: Sequence[str], root: Path):
        self.paths = [path for name in classes for path in census.get(name, ())]
        counts = [len(census.get(name, ())) for name in classes]
        self.labels = np.repeat(np.arange(len(classes), dtype=np.int32), counts)
        self._root = str(root)

    def name(self, index: int) -> str:
        return printable(self.paths[index])

    def read(self, index: int) -> bytes:
        return Path(self.paths[index]).read_bytes()

    def identity(self, index: int) -> tuple[str, int]:
        """What an image is known by when a run goes on: its path below the data's folder, and its size in bytes."""
        path = self.paths[index]
        return os.path.relpath(path, self._root), os.stat(path).st_size  # noqa: PTH116


@dataclass(frozen=True)
class Found:
    """What a folder holds: images of each class by split, the order of the classes, and what to know of them."""

    train: Census | None
    val: Census
    order: Order
    notes: tuple[str, ...]


def open_folder(root: Path, view: View, augment: AugmentGroup | None, group: DataGroup) -> Pictures:
    """Classes are the folder names, of train where it is looked at, in the order of `classes.order_of`; CMT-5xx."""
    found = folder_census(root, group, only_val=augment is None)
    splits = {"val": found.val} | ({} if found.train is None else {"train": found.train})
    stored = {split: Files(census, found.order.names, root) for split, census in splits.items()}
    shown = Order(
        tuple(map(printable, found.order.names)), found.order.by, tuple(map(printable, found.order.other))
    )
    notes = (*found.notes, *([shown.note()] if augment is not None and shown.note() else []))
    return Pictures(printable(str(root)), shown.names, dict(stored), view, augment, group, notes, order=shown)


def folder_census(root: Path, group: DataGroup | None = None, *, only_val: bool = False) -> Found:
    """The images of a folder by class; train may be missing if `only_val`, and is not looked at where val tells all."""
    group = group if group is not None else DataGroup()
    train_at, val_at = root / group.train_name, root / group.val_name
    walks = {at: Walk(str(at)) for at in (train_at, val_at)}
    if group.split is not None and val_at.is_dir():
        raise CmtError(
            "CMT-801",
            f"there is a folder {val_at}, and data.split is for data without held-out images",
            path="data.split",
            hint="--set data.split=null",
        )
    if not only_val or train_at.is_dir():
        train: Census | None = _census(root, group, walks[train_at])
    else:
        train = None
    if group.split is not None:
        train, val = split_off(
            train if train is not None else _census(root, group, walks[train_at]), group.split, root
        )
    elif _is_flat(root, val_at, train):
        val = _flat(val_at, train, walks[val_at], root)
    else:
        val = _census(root, group, walks[val_at], val=True)
    notes = [note for walk in walks.values() for note in walk.notes()]
    empty = sorted(
        name for name in {**(train or {}), **val} if not val.get(name) and not (train or {}).get(name)
    )
    notes += [f"{printable(name)}/ holds no image and is no class" for name in empty]
    train, val = (
        None if split is None else {name: files for name, files in split.items() if files}
        for split in (train, val)
    )
    assert val is not None
    for at, found in ((train_at, train), (val_at, val)):
        if found is not None and not found:
            raise CmtError("CMT-501", f"{at} holds no image", hint="images end in " + ", ".join(endings()))
    if train is not None:
        _require_known(root, train, val, group)
        notes += _without_images(train, val)
    order = order_of(train if train is not None else val, root, group.classes, group.class_order)
    return Found(train, val, order, tuple(notes))


def _census(root: Path, group: DataGroup, walk: Walk, *, val: bool = False) -> Census:
    split = Path(walk.root)
    if not split.is_dir():
        raise misplaced(root, group, "val" if val else "train") or AssertionError(split)
    found = {entry.name: walk.images(entry.path) for entry in walk.folders()}
    if not found:
        raise CmtError("CMT-501", f"{split} has no class folders", hint=f"put images in {split}/CLASS/")
    return found


def _flat(split: Path, train: Census | None, walk: Walk, root: Path) -> Census:
    files = {os.path.relpath(path, split): path for path in walk.images(str(split))}
    return labelled(files, None if train is None else {n for n in train if train[n]}, root, split)


def _is_flat(root: Path, split: Path, train: Census | None) -> bool:
    """Whether a list says the classes: there are images outside class folders, or folders that are no classes."""
    if not split.is_dir():
        return False
    entries = [e for e in os.scandir(split) if not is_system(e.name)]
    if any(not e.is_dir() and e.name.lower().endswith(endings()) for e in entries):
        return not any(e.is_dir() and Walk(str(split)).images(e.path) for e in entries) or (
            find_list(root, split) is not None
        )
    folders = {e.name for e in entries if e.is_dir()}
    list_ = find_list(root, split)
    if list_ is None or not folders:
        return False
    return names_folders(list_) if train is None else not folders <= set(train)


def _require_known(root: Path, train: Census, val: Census, group: DataGroup) -> None:
    if names := sorted(set(val) - set(train)):
        some = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        raise CmtError(
            "CMT-502",
            f"{root}: {len(names)} class(es) in {group.val_name}/ but without images in {group.train_name}/: "
            + printable(some),
            hint=did_you_mean(names[0], sorted(train))
            or "a model cannot learn what it never sees: remove them",
        )


def _without_images(train: Census, val: Census) -> list[str]:
    names = sorted(set(train) - set(val))
    if not names:
        return []
    some = ", ".join(map(printable, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
    return [f"{len(names)} of {len(train)} classes have no held-out images: {some}"]
