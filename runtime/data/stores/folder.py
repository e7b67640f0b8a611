"""Images in class folders: DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, or a flat DIR/val with a list of labels."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.data.agreement import agree
from runtime.data.classes import Order, order_of
from runtime.data.pictures import Pictures
from runtime.data.source import View
from runtime.data.splitting import Split, held_rows, hold_out, told
from runtime.data.stored import InOrder
from runtime.data.stores.kinds import is_image, listed, pictures_unread, what_is_read
from runtime.data.stores.labels import describes, find_list, labelled
from runtime.data.stores.layout import misplaced
from runtime.data.stores.walk import Walk, is_system, printable
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

Census = dict[str, list[str]]
"""Sorted image paths of each class."""
ASKING, AT_ONCE = 8, 500
"""Threads that ask for sizes, and files that one asks for in a row."""


class Files(InOrder):
    """Image files with labels, class after class, in a folder `root`."""

    def __init__(self, census: Census, classes: Sequence[str], root: Path):
        self.paths = [path for name in classes for path in census.get(name, ())]
        counts = [len(census.get(name, ())) for name in classes]
        self.labels = np.repeat(np.arange(len(classes), dtype=np.int32), counts)
        self._below = len(str(root)) + 1

    def name(self, index: int) -> str:
        return printable(self.paths[index])

    def read(self, index: int) -> bytes:
        return Path(self.paths[index]).read_bytes()

    def identity(self, index: int) -> tuple[str, int]:
        return self.paths[index][self._below :], self._sizes[index]

    @functools.cached_property
    def _sizes(self) -> list[int]:
        """Bytes of each file, asked for by many at once: over a network each answer takes its time."""
        parts = [self.paths[at : at + AT_ONCE] for at in range(0, len(self.paths), AT_ONCE)]
        with ThreadPoolExecutor(ASKING) as pool:
            return [size for part in pool.map(_sizes_of, parts) for size in part]


def _sizes_of(paths: list[str]) -> list[int]:
    return [os.stat(path).st_size for path in paths]  # noqa: PTH116


@dataclass(frozen=True)
class Found:
    """What a folder holds: images of each class by split, the order of the classes, and what to know of them."""

    train: Census | None
    val: Census
    order: Order
    notes: tuple[str, ...]
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    split: Split | None = None


def open_folder(
    root: Path, view: View, augment: AugmentGroup | None, group: DataGroup, split: Split | None = None
) -> Pictures:
    """Classes are the folder names, of train where there is one, in the order of `classes.order_of`; CMT-5xx."""
    found = folder_census(root, group, only_val=augment is None, split=split)
    stored = {
        name: Files(census, found.order.names, at)
        for name, census, at in zip(("val", "train"), (found.val, found.train), _parts(root, group, found)[::-1], strict=True)
        if census is not None
    }  # fmt: skip
    shown = Order(
        tuple(map(printable, found.order.names)), found.order.by, tuple(map(printable, found.order.other))
    )
    notes = (*found.notes, *([shown.note()] if augment is not None and shown.note() else []))
    return Pictures(printable(str(root)), shown.names, dict(stored), view, augment, group, notes, order=shown,
                    left_out=found.left_out, split=found.split)  # fmt: skip


def folder_census(
    root: Path, group: DataGroup | None = None, *, only_val: bool = False, split: Split | None = None
) -> Found:
    """The images of a folder by class. If `only_val`, train may be missing, and is looked at for its classes alone.

    Without a folder of held-out images `data.split` makes some, or the list `split` of a run says which they are.
    """
    group = group if group is not None else DataGroup()
    train_at, val_at = _places(root, group)
    train_walk, val_walk = _walks(train_at, val_at, group)
    if group.split is not None and not only_val and val_at.is_dir() and val_at != train_at:
        raise CmtError(
            "CMT-801",
            f"there is a folder {val_at}, and data.split is for data without held-out images",
            path="data.split",
            hint="--set data.split=null",
        )
    if group.split is not None and not val_at.is_dir():
        images = _census(root, group, train_walk)
        return _held_out(root, group, images, train_walk, split, only_val=only_val)
    train = None if only_val else _census(root, group, train_walk)
    names = set(train) if train is not None else _class_names(train_walk)
    list_ = find_list(root, val_at)
    if _is_flat(val_walk, names, list_):
        files = {os.path.relpath(path, val_at): path for path in val_walk.images()}
        known = {n for n in names if train is None or train[n]} if names else None
        val, unread = labelled(files, known, root, val_at, train_at), ()
    else:
        val = _census(root, group, val_walk, val=True)
        unread = (f"{list_.name} is not read: {val_at.name}/ has class folders",) if list_ else ()
    if not any(val.values()):
        raise CmtError("CMT-501", f"{val_at} holds no image", hint=what_is_read())
    walks = (val_walk,) if train is None else (train_walk, val_walk)
    notes = [*(note for walk in walks for note in walk.notes()), *unread]
    if train is None:
        order = order_of(names | {n for n in val if val[n]}, root, group.classes, group.class_order)
        return Found(None, _kept(val), order, tuple(notes), _left_out(walks))
    notes += _empty(train, val)
    notes += agree(printable(str(root)), _counts(train), _counts(val), (group.train_name, group.val_name))
    order = order_of(_kept(train), root, group.classes, group.class_order)
    return Found(_kept(train), _kept(val), order, tuple(notes), _left_out(walks))


def _places(root: Path, group: DataGroup) -> tuple[Path, Path]:
    return root / group.train_name, root / group.val_name


def _parts(root: Path, group: DataGroup, found: Found) -> tuple[Path, Path]:
    """Below which folder the images of train and val are named."""
    train_at, val_at = _places(root, group)
    return (train_at, train_at if found.split is not None else val_at)


def _walks(train_at: Path, val_at: Path, group: DataGroup) -> tuple[Walk, Walk]:
    """Of train and val, which know of each other."""
    train = Walk(str(train_at), group.train_name, besides=frozenset({str(val_at)}))
    return train, Walk(str(val_at), group.val_name, train.reached, frozenset({str(train_at)}))


def _held_out(
    root: Path, group: DataGroup, images: Census, walk: Walk, split: Split | None, *, only_val: bool
) -> Found:
    """What `data.split` makes of images without held-out ones, as `split` lists it or anew."""
    assert group.split is not None
    order = order_of(_kept(images), root, group.classes, group.class_order)
    files, where = Files(images, order.names, Path(walk.root)), printable(walk.root)
    names = [path[len(walk.root) + 1 :].replace(os.sep, "/") for path in files.paths]
    chosen = (
        split if split is not None else hold_out(names, files.labels, group.split, group.split_seed, where)
    )
    rows = held_rows(names, chosen, where)
    held = {path for path, is_held in zip(files.paths, rows.tolist(), strict=True) if is_held}
    val = {name: [path for path in paths if path in held] for name, paths in images.items()}
    train = {name: [path for path in paths if path not in held] for name, paths in images.items()}
    notes = [*walk.notes(), told(chosen, len(names), split is not None)]
    if not only_val:
        notes += [*_empty(images, {}), *agree(printable(str(root)), _counts(train), _counts(val))]
    return Found(
        None if only_val else _kept(train), _kept(val), order, tuple(notes), _left_out((walk,)), chosen
    )


def _census(root: Path, group: DataGroup, walk: Walk, *, val: bool = False) -> Census:
    split = Path(walk.root)
    if not split.is_dir():
        raise misplaced(root, group, "val" if val else "train")
    found = {}
    for entry in walk.folders():
        before = walk.left_out.copy()
        found[entry.name] = walk.images(entry)
        if not found[entry.name] and not val and (unread := pictures_unread(walk.left_out - before)):
            raise CmtError(
                "CMT-501",
                f"{printable(entry.path)} holds no image that is read: {listed(unread)}",
                hint="make them images, or remove the folder",
            )
    if not any(found.values()):
        raise misplaced(root, group, "val" if val else "train")
    return found


def _class_names(walk: Walk) -> set[str]:
    """Classes that the folder of training images has, if it is there; looked for until the first image of each."""
    if not Path(walk.root).is_dir():
        return set()
    return {entry.name for entry in walk.folders() if walk.holds_image(entry)}


def _is_flat(walk: Walk, names: set[str], list_: Path | None) -> bool:
    """Whether a list says the classes: there are images outside class folders, or folders that are no classes."""
    if not Path(walk.root).is_dir():
        return False
    entries = [e for e in os.scandir(walk.root) if not is_system(e.name) and e.path not in walk.besides]
    folders = [e for e in entries if e.is_dir() and walk.holds_image(e)]
    if any(is_image(e.name) and not e.is_dir() for e in entries):
        return list_ is not None or not folders
    if list_ is None or not folders:
        return False
    if names:
        return not {e.name for e in folders} <= names
    files = [os.path.relpath(path, walk.root) for path in Walk(walk.root).images()]
    return describes(list_, files, Path(walk.root).name)


def _kept(census: Census) -> Census:
    return {name: files for name, files in census.items() if files}


def _counts(census: Mapping[str, list[str]]) -> dict[str, int]:
    return {printable(name): len(files) for name, files in census.items()}


def _empty(train: Census, val: Census) -> list[str]:
    """Notes on folders that hold nothing in either split."""
    names = sorted(name for name in {**train, **val} if not train.get(name) and not val.get(name))
    return [f"{printable(name)}/ holds no image and is no class" for name in names]


def _left_out(walks: Sequence[Walk]) -> dict[str, dict[str, int]]:
    """Numbers of files by ending, for each folder of a split."""
    return {walk.name: dict(walk.left_out.most_common()) for walk in walks}
