"""Image files below a folder: what Pillow reads, what is left out and counted, and links that lead astray."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from cmt_dsl.errors import CmtError
from runtime.data.kinds import endings

SYSTEM = frozenset(
    ["@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "~snapshot", "$recycle.bin",
     "recycler", "lost+found", "system volume information", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"]
)  # fmt: skip
"""What file systems and network storage put beside people's files, in small letters; names with a leading dot too."""
SHOWN = 6
"""Endings that a note lists."""


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is the system's, not the user's."""
    return name.startswith(".") or name.lower() in SYSTEM


def printable(name: str) -> str:
    """A file name that can be printed and stored: bytes that are no text are shown as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass
class Walk:
    """A walk through the folders of one split; what it passed over, by ending and by name."""

    root: str
    left_out: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)

    def folders(self) -> list[os.DirEntry[str]]:
        """The class folders: those right below the root that are not the system's, by name. CMT-501."""
        found = []
        for entry in _entries(self.root):
            if is_system(entry.name):
                self.ignored[entry.name] += entry.is_dir()
            elif entry.is_dir():
                if entry.is_symlink():
                    self._require_straight(entry)
                found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    def images(self, folder: str) -> list[str]:
        """Image files anywhere below a folder, through links too, sorted. CMT-501."""
        return sorted(self._images(folder, frozenset()))

    def _images(self, folder: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        at = os.stat(folder)  # noqa: PTH116
        if (at.st_dev, at.st_ino) in above:
            raise _astray(folder, "a folder above itself")
        above |= {(at.st_dev, at.st_ino)}
        for entry in _entries(folder):
            if is_system(entry.name):
                self.ignored[entry.name] += entry.is_dir()
            elif entry.is_dir():
                if entry.is_symlink():
                    self._require_straight(entry)
                yield from self._images(entry.path, above)
            elif entry.name.lower().endswith(endings()):
                yield entry.path
            else:
                self.left_out[PurePath(entry.name).suffix.lower()] += 1

    def _require_straight(self, link: os.DirEntry[str]) -> None:
        """CMT-501 for a link to a folder above itself, or to one of this split, whose images count there already."""
        target, here = os.path.realpath(link.path), os.path.realpath(os.path.dirname(link.path))  # noqa: PTH120
        if f"{here}{os.sep}".startswith(target.rstrip(os.sep) + os.sep):
            raise _astray(link.path, "a folder above itself")
        if target.startswith(os.path.realpath(self.root) + os.sep):
            raise _astray(link.path, target)

    def notes(self) -> list[str]:
        """What was left out and why, a line each."""
        where = printable(self.root)
        found = []
        if self.left_out:
            shown = [
                f"{count:,} {ending or 'without ending'}"
                for ending, count in self.left_out.most_common(SHOWN)
            ]
            more = f" and {len(self.left_out) - SHOWN} other endings" if len(self.left_out) > SHOWN else ""
            heif = "; .heic needs the package pillow-heif" if {".heic", ".heif"} & set(self.left_out) else ""
            found.append(
                f"left out of {where}: {', '.join(shown)}{more}: no ending of an image that is read{heif}"
            )
        if folders := {name: count for name, count in self.ignored.items() if count}:
            listed = ", ".join(f"{printable(name)}" for name in sorted(folders)[:SHOWN])
            found.append(f"ignored in {where}: {sum(folders.values())} system folders ({listed})")
        return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise CmtError("CMT-501", f"cannot read {printable(folder)}: {error.strerror}") from None


def _astray(path: str, where: str) -> CmtError:
    return CmtError(
        "CMT-501",
        f"the link {printable(path)} leads to {printable(where)}: its images would count twice",
        hint="remove the link, or let it lead to images of this class alone",
    )
