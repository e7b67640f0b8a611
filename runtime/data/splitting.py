"""Held-out images where the data has none: a share of each class, listed in the run that was trained without them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.atomic import write_atomically
from runtime.data.stored import Content, Stored

SPLIT = "split.json"
"""The list in a run's directory."""
SHOWN = 3


@dataclass(frozen=True)
class Split:
    """Which images are held out, by their names: paths below the folder of training images, or numbers of records."""

    share: float
    seed: int
    held_out: tuple[str, ...]


def hold_out(names: Sequence[str], labels: Array, share: float, seed: int, where: str) -> Split:
    """`share` of each class, at least one of two and never all; CMT-501 if no class has two images.

    Which are held out follows from a hash of seed and name: the same on every machine, and an image that is added
    moves few others.
    """
    held: list[str] = []
    for label in range(int(labels.max(initial=-1)) + 1):
        of_class: list[str] = [names[int(i)] for i in np.flatnonzero(labels == label)]
        own = sorted(of_class, key=lambda name: _rank(name, seed))
        count = min(max(round(len(own) * share), 1), len(own) - 1) if own else 0
        held += own[:count]
    if not held:
        raise CmtError("CMT-501", f"{where}: no class has two images, so none can be held out")
    return Split(share, seed, tuple(sorted(held)))


def held_rows(names: Sequence[str], split: Split, where: str) -> Array:
    """Whether each image is held out, [n] bool; CMT-501 for one on the list that is not there."""
    known = set(split.held_out)
    if missing := sorted(known - set(names)):
        raise CmtError(
            "CMT-501",
            f"{where}: {len(missing)} of the {len(known)} images that the run held out are not there: "
            + ", ".join(missing[:SHOWN]),
            hint=f"give the data that the run was trained on, or remove its {SPLIT}",
        )
    return np.array([name in known for name in names], dtype=bool)


def told(split: Split, images: int, listed: bool) -> str:
    """A line: how many of so many images are held out, and what says which."""
    by = f"as {SPLIT} of the run lists them" if listed else f"by data.split {split.share:g}"
    return f"held out: {len(split.held_out):,} of {images:,} images, {by}"


def write_split(folder: Path, split: Split) -> None:
    """The list of a run; CMT-606."""
    facts = {"share": split.share, "seed": split.seed, "held_out": split.held_out}
    write_atomically(folder / SPLIT, json.dumps(facts, indent=1).encode() + b"\n")


def read_split(checkpoint: str | Path) -> Split | None:
    """The list beside a checkpoint, if there is one; CMT-501 if it is none."""
    path = Path(checkpoint).parent / SPLIT
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Split(float(found["share"]), int(found["seed"]), tuple(map(str, found["held_out"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CmtError(
            "CMT-501",
            f"cannot read {path}: {error}",
            hint="remove it: the images are then chosen again, by data.split",
        ) from None


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(os.fsencode(f"{seed}\n{name}")).digest()


class Part:
    """Some images of a store, in its order."""

    def __init__(self, stored: Stored, rows: Array):
        self._stored, self._rows = stored, rows
        self.labels = stored.labels[rows]

    def name(self, index: int) -> str:
        return self._stored.name(int(self._rows[index]))

    def read(self, index: int) -> Content:
        return self._stored.read(int(self._rows[index]))

    def contents(self, indices: Array) -> Iterator[Callable[[], Content]]:
        return self._stored.contents(self._rows[indices])

    def identity(self, index: int) -> tuple[str, int]:
        return self._stored.identity(int(self._rows[index]))
