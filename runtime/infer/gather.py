"""Image files named on a command line, found and read as a model wants them."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.image.stages import eval_stages, through
from runtime.data.image.transforms import pixels
from runtime.data.source import View
from runtime.data.stores.digits import Digits
from runtime.data.stores.kinds import is_image, what_is_read
from runtime.data.stores.walk import is_system, printable


@dataclass(frozen=True)
class Image:
    """A file that was read: `values` [c, h, w] float32 for the model, `seen` uint8 [h, w, 3] for people."""

    name: str
    values: Array
    seen: Array


def expand(words: Sequence[str]) -> list[Path]:
    """Files in order, each once: a directory gives its images (those below it too), a pattern what it matches.

    CMT-832 if a directory or a pattern gives none. A file that is named is taken as it is, also if it is not there.
    """
    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            some = sorted(
                p
                for p in path.rglob("*")
                if is_image(p.name) and not any(map(is_system, p.relative_to(path).parts)) and p.is_file()
            )
        elif path.exists() or not glob.has_magic(word):
            some = [path]
        else:
            matches = map(Path, glob.glob(word, recursive=True))  # noqa: PTH207  absolute patterns too
            some = sorted(p for p in matches if p.is_file())
        if not some:
            kind = "the folder" if path.is_dir() else "the pattern"
            raise CmtError("CMT-832", f"{kind} {printable(word)} gives no image", hint=what_is_read())
        found |= dict.fromkeys(some)
    return list(found)


def reader(view: View, trained_on: str) -> Callable[[Path], Image]:
    """What reads a file through the transforms of validation, as they were where the model was trained.

    It raises ValueError or OSError for a file that cannot be read. CMT-506 unless the channels are 1 or 3.
    """
    if trained_on == Digits.name:
        digits = Digits(view, None)
        return lambda path: _image(path, digits.read(path.read_bytes()), digits.pixels)
    if view.channels not in (1, 3):
        raise CmtError("CMT-506", f"the model reads {view.channels} channels, images give 3 (or 1, as grey)")
    stages = eval_stages(view)
    return lambda path: _image(path, through(stages, path.read_bytes(), 0), pixels)


def _image(path: Path, values: Array, seen: Callable[[Array], Array]) -> Image:
    return Image(printable(str(path)), values, seen(values[None])[0])
