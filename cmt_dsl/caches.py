"""Where this project keeps what can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "CMT_CACHE"


def cache_directory() -> Path | None:
    """The folder in CMT_CACHE, else `cmt-dsl` in the user's cache directory; None without a home. Nothing is made."""
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "cmt-dsl"
