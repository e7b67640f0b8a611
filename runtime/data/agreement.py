"""Whether the held-out images are of the classes that are trained."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from cmt_dsl.errors import CmtError, did_you_mean

SHOWN = 5
"""Classes that a message names."""


def agree(
    data: str, train: Mapping[str, int], val: Mapping[str, int], names: tuple[str, str] = ("train", "val")
) -> tuple[str, ...]:
    """Notes on classes without held-out images, for numbers of images by class.

    CMT-502 for a class that has held-out images and none to learn from: a model cannot know it.
    """
    learned = {name for name, count in train.items() if count}
    seen = {name for name, count in val.items() if count}
    if unknown := sorted(seen - learned):
        raise CmtError(
            "CMT-502",
            f"{data}: {len(unknown)} class(es) in {names[1]}/ but without images in {names[0]}/: {some(unknown)}",
            hint=_near(unknown[0], sorted(learned - seen) or sorted(learned))
            or f"a model cannot learn what it never sees: put images into {names[0]}/, or remove them",
        )
    if lacking := sorted(learned - seen):
        return (f"{len(lacking)} of {len(learned)} classes have no held-out images: {some(lacking)}",)
    return ()


def some(names: Sequence[str]) -> str:
    """The first names, and whether there are others."""
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)} in all)" if len(names) > SHOWN else "")


def _near(word: str, known: Sequence[str]) -> str:
    """The class that is meant: the same in other letters or another form of Unicode, else the nearest."""

    def plain(name: str) -> str:
        return "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if c.isalnum())

    same = [name for name in known if plain(name) == plain(word)]
    if not same:
        near = did_you_mean(word, known)
        return near if near.startswith("did you mean") else ""
    if unicodedata.normalize("NFC", same[0]) == unicodedata.normalize("NFC", word):
        return f"'{same[0]}' is written with other Unicode characters: rename one as the other"
    return f"did you mean '{same[0]}'? Rename one as the other"
