"""What lies where images were looked for, and the command that would find it."""

from __future__ import annotations

import os
from pathlib import Path

from cmt_dsl.errors import CmtError
from runtime.data.kinds import endings
from runtime.data.walk import is_system, printable
from runtime.recipe.schema import DataGroup

TRAIN = ("train", "training", "train_images", "images/train")
VAL = ("val", "valid", "validation", "test", "testing", "dev", "eval", "images/val")
"""What people call the two parts of a data set, best guess first; in any case of letters."""
DEPTH = 2
"""Levels of folders below the given one that are looked through."""


def misplaced(root: Path, group: DataGroup, split: str) -> CmtError | None:
    """Why DIR/train or DIR/val is not there: what was found instead, and the command that would work. CMT-501."""
    name = group.train_name if split == "train" else group.val_name
    if (root / name).is_dir():
        return None
    message = f"there is no folder {root / name}"
    found, hint = _instead(root, group, split)
    return CmtError("CMT-501", message + (f"; {found}" if found else ""), hint=hint)


def no_folder(path: Path) -> CmtError:
    """Why `--data` is no folder. CMT-501."""
    if path.suffix.lower() in (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar") and path.exists():
        return CmtError(
            "CMT-501", f"{path} is an archive", hint="unpack it, and give the folder: --data FOLDER"
        )
    if path.exists():
        return CmtError("CMT-501", f"{path} is a file", hint=f"give the folder: --data {path.parent}")
    return CmtError("CMT-501", f"there is no folder {path}", hint="--data digits needs no folder")


def _instead(root: Path, group: DataGroup, split: str) -> tuple[str, str]:
    wanted, other = (TRAIN, VAL) if split == "train" else (VAL, TRAIN)
    here = _folders(root)
    others = group.val_name if split == "train" else group.train_name
    for guess in wanted:
        if (name := here.get(guess.lower())) and name != others:
            return f"there is {printable(name)}/", f"--{split}-name {printable(name)}"
    if found := _below(root, group):
        return f"there are {group.train_name}/ and {group.val_name}/ in {found}", f"--data {found}"
    if (name := root.name.lower()) in (*wanted, *other) and any(
        g in _folders(root.parent) for g in (*TRAIN, *VAL)
    ):
        return f"{root} is one part of the data itself", f"--data {root.parent}"
    if split == "val" and (root / group.train_name).is_dir():
        return "there are no held-out images", "--set data.split=0.1 holds out a tenth of each class"
    if classes := [name for name in here.values() if _has_image(root / name)]:
        some = ", ".join(map(printable, sorted(classes)[:3]))
        hint = f"move them into {root}/train/CLASS/; data.split=0.1 then holds out a tenth of each class"
        return f"class folders lie in {root} itself ({some}, …)", hint
    return "", f"images belong in {root}/train/CLASS/ and {root}/val/CLASS/"


def _below(root: Path, group: DataGroup) -> Path | None:
    """The nearest folder below that holds both parts: archives often unpack one folder too deep."""
    level = [root]
    for _ in range(DEPTH):
        level = [folder / name for folder in level for name in sorted(_folders(folder).values())][:200]
        for folder in level:
            if all(name.lower() in _folders(folder) for name in (group.train_name, group.val_name)):
                return folder
    return None


def _folders(root: Path) -> dict[str, str]:
    """Names of the folders in one, by their small letters."""
    try:
        with os.scandir(root) as entries:
            return {e.name.lower(): e.name for e in entries if not is_system(e.name) and e.is_dir()}
    except OSError:
        return {}


def _has_image(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(endings()) for entry in entries)
    except OSError:
        return False
