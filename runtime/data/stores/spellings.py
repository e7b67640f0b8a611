"""Image files by the spellings that lists use for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from cmt_dsl.errors import did_you_mean
from runtime.data.stores.kinds import ending, endings

SAME = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}


class Spellings:
    """Paths below a folder, found by their path or by less of it: exact spellings go before short ones.

    With `/` or `\\`, from the folder above or further up, in any form of Unicode, without the folders, the ending in
    other letters (.JPEG, .jpg) or missing.
    """

    def __init__(self, files: Iterable[str], folder: str):
        self._folder = f"{folder}/"
        levels = [dict[str, list[str]]() for _ in LEVELS]
        for name in files:
            plain = _plain(name)
            for level, spelled in zip(levels, LEVELS, strict=True):
                level.setdefault(spelled(plain), []).append(name)
        self._levels = levels

    def find(self, word: str) -> list[str]:
        """The images that a word may mean: one, if it is clear."""
        plain = _plain(word)
        below = plain.rpartition(f"/{self._folder}")[2].removeprefix(self._folder)
        for path in dict.fromkeys((plain, below)):
            if not path:
                continue
            for level, spelled in zip(self._levels, LISTED, strict=True):
                if found := level.get(spelled(path)):
                    return found
        return []

    def clearness(self, word: str) -> int:
        """How plainly a word names an image: 2 by its ending, 1 by less, 0 not at all."""
        return 0 if not self.find(word) else 1 + (ending(word) in endings())

    def near(self, word: str) -> str:
        """A hint: the image that looks most like it."""
        some = list(self._levels[0])
        near = did_you_mean(_plain(word), some[:2000])
        return near if near.startswith("did you mean") else ""


def _plain(name: str) -> str:
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").strip()
    while plain.startswith("./"):
        plain = plain[2:]
    return plain


def _same_ending(path: str) -> str:
    stem, dot, end = path.rpartition(".")
    if not dot or "/" in end:
        return path
    end = f".{end.lower()}"
    return stem + SAME.get(end, end)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    stem, dot, end = path.rpartition(".")
    return stem if dot and stem and "/" not in end else path


def _as_is(path: str) -> str:
    return path


LEVELS: tuple[Callable[[str], str], ...] = (
    _as_is, _same_ending, _last, lambda p: _last(_same_ending(p)), _stem, lambda p: _last(_stem(p)))  # fmt: skip
"""What a file is called at each level …"""
LISTED: tuple[Callable[[str], str], ...] = (_as_is, _same_ending, _as_is, _same_ending, _as_is, _as_is)
"""… and what a list has to say there."""
