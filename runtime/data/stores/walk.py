"""Image files below a folder: what is read, what is left out and counted, and links that lead astray."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cmt_dsl.errors import CmtError
from runtime.data.stores.kinds import ending, endings, listed

SYSTEM = frozenset(
    ["@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "~snapshot", "$recycle.bin",
     "recycler", "lost+found", "system volume information", "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db",
     "desktop.ini", "icon\r"]
)  # fmt: skip
"""What file systems and network storage put beside people's files, in small letters; names with a leading dot too."""
SHOWN = 6
"""Names that a note lists."""

Place = tuple[int, int]
"""A folder by device and inode."""


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is the system's, not the user's, whatever it holds."""
    return name.startswith(".") or name.lower() in SYSTEM


def printable(name: str) -> str:
    """A file name that can be printed and stored: bytes that are no text are shown as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Way:
    """How a folder was reached: its path, the last link on it, if any, and the folders above it."""

    path: str
    link: str | None = None
    above: frozenset[Place] = frozenset()

    def to(self, entry: os.DirEntry[str], here: Place) -> Way:
        """Into a folder of this one, whose place is `here`."""
        link = entry.path if entry.is_symlink() else self.link
        return Way(entry.path, link, self.above | {here})


@dataclass
class Walk:
    """A walk through the folders of one split; what it passed over, by ending and by name.

    `reached` is shared by the walks of a data set: a folder counts once, so a link to one that is read anyway is
    refused, wherever it stands. Folders `besides` belong to another split.
    """

    root: str
    name: str = ""
    reached: dict[Place, Way] = field(default_factory=dict)
    besides: frozenset[str] = frozenset()
    left_out: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    strays: int = 0
    """Images beside the class folders."""

    def folders(self) -> list[os.DirEntry[str]]:
        """The class folders: those right below the root that are not the system's, by name. CMT-501."""
        found = []
        for entry in _entries(self.root):
            if is_system(entry.name):
                self.ignored[_kind(entry.name)] += 1
            elif entry.is_dir():
                if entry.path not in self.besides:
                    found.append(entry)
            elif ending(entry.name) in endings():
                self.strays += 1
        return sorted(found, key=lambda entry: entry.name)

    def images(self, folder: os.DirEntry[str] | None = None) -> list[str]:
        """Image files anywhere below a class folder, or the root, through links too, sorted. CMT-501."""
        way = self._top if folder is None else self._top.to(folder, self._enter(self._top))
        return sorted(self._images(way))

    @functools.cached_property
    def _top(self) -> Way:
        return Way(self.root, self.root if Path(self.root).is_symlink() else None, _above(self.root))

    def holds_image(self, folder: os.DirEntry[str]) -> bool:
        """Whether there is any image below a class folder; nothing is counted."""
        return next(Walk(self.root)._images(Way(folder.path)), None) is not None

    def _images(self, way: Way) -> Iterator[str]:
        here, known = self._enter(way), endings()
        for entry in _entries(way.path):
            name = entry.name
            if is_system(name):
                self.ignored[_kind(name)] += 1
            elif entry.is_dir():
                if entry.path not in self.besides:
                    yield from self._images(way.to(entry, here))
            elif (end := ending(name)) in known:
                yield entry.path
            else:
                self.left_out[end] += 1

    def _enter(self, way: Way) -> Place:
        """The place of a folder that is now read; CMT-501 if a link makes it count twice, or lead above itself."""
        at = os.stat(way.path)  # noqa: PTH116
        here = (at.st_dev, at.st_ino)
        before = self.reached.setdefault(here, way)
        if way.link is not None and here in way.above:
            raise _astray(way.link, "a folder above itself: it has no end")
        if before.path != way.path and (link := way.link or before.link):
            other = before if way.link else way
            raise _astray(link, f"{printable(other.path)}: its images would count twice")
        return here

    def notes(self) -> list[str]:
        """What was left out and why, a line each."""
        where, found = printable(self.name or self.root), []
        if self.strays:
            found.append(f"left out of {where}/: {self.strays:,} images beside the class folders")
        if self.left_out:
            found.append(f"left out of {where}/, no images by their endings: {listed(self.left_out)}")
        if self.ignored:
            ranked = sorted(self.ignored.items(), key=lambda item: (-item[1], item[0]))
            told = [f"{count:,} {printable(name)}" for name, count in ranked[:SHOWN]]
            if rest := ranked[SHOWN:]:
                told.append(f"{sum(count for _, count in rest):,} of {len(rest)} other names")
            found.append(f"ignored in {where}/, as the system's by their names: {', '.join(told)}")
        return found


def _kind(name: str) -> str:
    """What a system name counts as."""
    return name if name.lower() in SYSTEM else "._*" if name.startswith("._") else ".*"


def _above(folder: str) -> frozenset[Place]:
    """The places of all folders above one."""
    stats = [os.stat(path) for path in Path(os.path.realpath(folder)).parents]  # noqa: PTH116
    return frozenset((at.st_dev, at.st_ino) for at in stats)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise CmtError("CMT-501", f"cannot read {printable(folder)}: {error.strerror}") from None


def _astray(path: str, where: str) -> CmtError:
    return CmtError(
        "CMT-501",
        f"the link {printable(path)} leads to {where}",
        hint="remove the link, or let it lead to images of its class alone that are not in the data yet",
    )
