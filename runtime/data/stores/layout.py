"""What lies where images were looked for, and the options that would find it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from cmt_dsl.errors import CmtError, did_you_mean
from runtime.data.stores.kinds import FIXES, ending, is_image, what_is_read
from runtime.data.stores.walk import is_system, printable
from runtime.recipe.schema import DataGroup

TRAIN = ("train", "training", "train_images", "train_set", "trainset", "images/train")
VAL = ("val", "valid", "validation", "val_images", "val_set", "valset", "test", "testing", "test_set", "testset",
       "dev", "eval", "evaluation", "images/val")  # fmt: skip
"""What people call the two parts of a data set, best guess first; in any case of letters."""
ARCHIVES = {".zip": "unzip {} -d {}", ".tar": "tar xf {} -C {}", ".tgz": "tar xf {} -C {}", ".gz": "tar xf {} -C {}",
            ".xz": "tar xf {} -C {}", ".bz2": "tar xf {} -C {}", ".7z": "7z x {} -o{}", ".rar": "unrar x {} {}"}  # fmt: skip
DEPTH = 3
"""Levels of folders below the given one that are looked through."""
MOST = 200
"""Folders of a level that are looked into."""
SHOWN = 3
SPLIT = "--set data.split=0.1"


def misplaced(root: Path, group: DataGroup, split: str) -> CmtError:
    """Why DIR/train or DIR/val is not there, or holds nothing: what was found instead, and what would work. CMT-501."""
    at = root / (group.train_name if split == "train" else group.val_name)
    lacks = f"there is no folder {printable(str(at))}"
    if at.is_dir():
        lacks = f"{printable(str(at))} has no class folders with images"
    found, hint = _instead(root, group, split)
    return CmtError("CMT-501", lacks + (f"; {found}" if found else ""), hint=hint)


def no_folder(path: Path) -> CmtError:
    """Why `--data` is no folder. CMT-501."""
    shown, suffix = printable(str(path)), path.suffix.lower()
    if not path.exists():
        parent = path.parent
        near = did_you_mean(path.name, sorted(_folders(parent).values())) if parent.is_dir() else ""
        hint = near if near.startswith("did you mean") else "--data digits needs no folder"
        if path.is_symlink():
            hint = "it is a link to what is not there"
        elif not parent.is_dir():
            hint = f"nor is there {printable(str(parent))}"
        return CmtError("CMT-501", f"there is no folder {shown}", hint=hint)
    if suffix in ARCHIVES:
        into = path.with_name(path.name.split(".")[0])
        command = ARCHIVES[suffix].format(_quoted(path), _quoted(into))
        if suffix != ".zip" and suffix != ".7z":
            command = f"mkdir {_quoted(into)}; {command}"
        return CmtError("CMT-501", f"{shown} is an archive", hint=f"{command}, then --data {_quoted(into)}")
    if is_image(path.name) or suffix in FIXES:
        hint = f"--data takes a folder of many; one is classified by `cmt predict CKPT {_quoted(path)}`"
        return CmtError("CMT-501", f"{shown} is one image", hint=hint)
    return CmtError("CMT-501", f"{shown} is a file", hint=f"give its folder: --data {_quoted(path.parent)}")


def _instead(root: Path, group: DataGroup, split: str) -> tuple[str, str]:
    """(what was found, what would work)."""
    if names := _parts(root, group):
        train, val = names
        if split == "train" and train != group.train_name:
            return f"there is {printable(train)}/", _named(group, train, val)
        if split == "val" and val is not None and val != group.val_name:
            return f"there is {printable(val)}/", _named(group, train, val)
    if found := list(_below(root, group)):
        more = f", and in {len(found) - 1} others" if len(found) > 1 else ""
        folder, (train, val) = found[0]
        parts = " and ".join(f"{printable(name)}/" for name in (train, val) if name)
        options = f"--data {_quoted(folder)} {_named(group, train, val)}".strip()
        if val is None:
            options += f" {SPLIT}"
        return f"{parts} {'are' if val else 'is'} in {printable(str(folder))}{more}", options
    whole = root.resolve()
    if whole.name.lower() in (*TRAIN, *VAL) and (names := _parts(whole.parent, group)):
        options = f"--data {_quoted(_up(root))} {_named(group, *names)}".strip()
        return f"{printable(str(root))} is one part of the data itself", options
    if split == "val" and (root / group.train_name).is_dir() and _classes(root / group.train_name):
        hint = f"{SPLIT} holds out a tenth of each class; or put some into {root / group.val_name}/CLASS/"
        return "there are no held-out images", hint
    if classes := _classes(root):
        some = ", ".join(map(printable, classes[:SHOWN])) + (", …" if len(classes) > SHOWN else "")
        hint = (
            f"--train-name . {SPLIT} holds out a tenth of each class; to validate on all of them --val-name ."
        )
        return f"{len(classes)} class folders lie in it directly ({some})", hint
    images = sum(is_image(e.name) for e in _entries(root) if not e.is_dir())
    if images:
        hint = f"each class needs a folder: {root}/train/CLASS/ and {root}/val/CLASS/"
        return f"{images:,} images lie in {printable(str(root))}, without classes", hint
    return "", f"images belong in {root}/train/CLASS/ and {root}/val/CLASS/; {what_is_read()}"


def _parts(root: Path, group: DataGroup) -> tuple[str, str | None] | None:
    """The names of the folders of training and held-out images in one, as given or guessed; None if neither is there.

    Training images there have to be, held-out ones may be missing.
    """
    train = _named_as(root, (group.train_name, *TRAIN))
    val = _named_as(root, (group.val_name, *VAL))
    if train is None:
        return None if val is None else (group.train_name, val)
    return train, val


def _named_as(root: Path, guesses: tuple[str, ...]) -> str | None:
    here = _folders(root)
    for guess in guesses:
        above, _, last = guess.rpartition("/")
        if above and above in here.values() and last in _folders(root / above).values():
            return guess
        if guess in here.values() or guess == ".":
            return guess
        if not above and guess.lower() in here:
            return here[guess.lower()]
    return None


def _named(group: DataGroup, train: str, val: str | None) -> str:
    """The options that say what the parts are called."""
    told = [f"--train-name {_quoted(train)}"] if train != group.train_name else []
    told += [f"--val-name {_quoted(val)}"] if val not in (None, group.val_name) else []
    return " ".join(told)


def _below(root: Path, group: DataGroup) -> Iterator[tuple[Path, tuple[str, str | None]]]:
    """The nearest folders below that hold the parts: archives often unpack one folder too deep."""
    level = [root]
    for _ in range(DEPTH):
        level = [folder / name for folder in level for name in sorted(_folders(folder).values())][:MOST]
        found = [(folder, names) for folder in level if (names := _parts(folder, group))]
        found = [(f, names) for f, names in found if (f / names[0]).is_dir() and _classes(f / names[0])]
        if found:
            yield from found
            return


def _classes(folder: Path) -> list[str]:
    """Folders of one with an image in them, as far as a look tells."""
    return sorted(name for name in _folders(folder).values() if _has_image(folder / name))


def _folders(root: Path) -> dict[str, str]:
    """Names of the folders in one, by their small letters."""
    return {e.name.lower(): e.name for e in _entries(root) if not is_system(e.name) and e.is_dir()}


def _has_image(folder: Path) -> bool:
    return any(is_image(entry.name) or ending(entry.name) in FIXES for entry in _entries(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _up(root: Path) -> Path:
    """The folder above, as a person would write it."""
    return root.parent if root.name not in ("", "..") else root / ".."


def _quoted(path: Path | str) -> str:
    return shlex.quote(printable(str(path)))
