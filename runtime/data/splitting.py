"""Held-out images where the data has none: a share of each class, by the names of the files alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cmt_dsl.errors import CmtError


def split_off(
    images: dict[str, list[str]], share: float, root: Path
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """(train, val): `share` of each class's images, at least one of two; the same files on every machine, always.

    Which are held out follows from a hash of their paths below `root`, so a file that is added moves few others.
    CMT-501 if no class has two images.
    """
    train: dict[str, list[str]] = {}
    val: dict[str, list[str]] = {}
    for name, paths in images.items():
        count = max(round(len(paths) * share), 1) if len(paths) > 1 else 0
        count = min(count, len(paths) - 1) if paths else 0
        held = set(sorted(paths, key=lambda path: _rank(path, root))[:count])
        train[name] = [path for path in paths if path not in held]
        val[name] = [path for path in paths if path in held]
    if images and not any(val.values()):
        raise CmtError("CMT-501", f"{root}: no class has two images, so none can be held out")
    return train, val


def _rank(path: str, root: Path) -> bytes:
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    return hashlib.sha256(os.fsencode(relative)).digest()
