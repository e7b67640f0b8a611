"""How pages, which are passed on, call files of this machine: without the folders above what they are about."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

_ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:[^/\s'\"]+/)+([^/\s'\":;,]*)")


def names_of(paths: Sequence[str | Path]) -> list[str]:
    """The paths as they were given, or where one is absolute or climbs, all relative to their common folder."""
    given = [str(path) for path in paths]
    if not any(Path(path).is_absolute() or ".." in Path(path).parts for path in given):
        return given
    whole = [os.path.abspath(path) for path in given]  # noqa: PTH100  links stay
    common = os.path.commonpath([os.path.dirname(path) for path in whole])  # noqa: PTH120
    return [Path(os.path.relpath(path, common)).as_posix() for path in whole]


def without_folders(text: str) -> str:
    """A text whose absolute paths are cut to their last part: `…/imagenet`."""
    if text.startswith("/") and "\n" not in text:
        return f"…/{Path(text).name}"
    return _ABSOLUTE.sub(lambda match: f"…/{match[1]}", text)


def command(words: Sequence[str]) -> str:
    """A command line as one text; the program by its name alone."""
    program, *rest = words
    started = ["python", "-m", "runtime.cli"] if Path(program).name == "__main__.py" else [Path(program).name]
    return shlex.join([*started, *rest])


def command_without_folders(text: str) -> str:
    """The same, with absolute paths in it cut to their last part."""
    try:
        words = [without_folders(word) for word in shlex.split(text)]
    except ValueError:
        return without_folders(text)
    return " ".join(word if "…/" in word and " " not in word else shlex.quote(word) for word in words)
