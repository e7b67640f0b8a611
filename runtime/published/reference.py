"""`pretrained:NAME` wherever a checkpoint is asked for; nothing is fetched by naming it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cmt_dsl.errors import CmtError

if TYPE_CHECKING:
    from runtime.published.cache import Cache

PREFIX = "pretrained:"


def weights_file(text: str | Path) -> Path:
    """The file that `text` means: a path as it is, pretrained:NAME as the checkpoint of that name in the cache.

    CMT-650 for a name that is in no list, CMT-651 for one that has not been fetched.
    """
    if not str(text).startswith(PREFIX):
        return Path(text)
    from runtime.published.cache import open_cache

    return fetched(str(text).removeprefix(PREFIX), open_cache())


def fetched(name: str, cache: Cache) -> Path:
    """The checkpoint called `name` in a cache; CMT-650, 651."""
    if cache.has(name):
        return cache.file(name)
    from runtime.published.listing import find

    find(name)
    raise CmtError(
        "CMT-651",
        f"{PREFIX}{name} is not on this machine, and nothing is downloaded unasked",
        hint=f"cmt weights get {name}",
    )


def beside(file: Path, out: Path) -> Path:
    """Where what is made of `file` goes by default: `out`, but into the working directory for what lies in the cache."""
    from runtime.published.cache import open_cache

    return Path(out.name) if file.parent == open_cache().folder else out
