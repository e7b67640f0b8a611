"""Which kinds of image files are read: all that Pillow decodes by itself."""

from __future__ import annotations

import contextlib
import functools
from importlib import import_module

UNREAD = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"})
"""Formats of Pillow that are not decoded here: EPS starts another program, the others are only recognised."""


@functools.lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read here; HEIF where the package pillow-heif is installed."""
    from PIL import Image

    with contextlib.suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    Image.init()
    first = [kind for kind in ("JPEG", "PNG", "WEBP") if kind in Image.OPEN]
    return tuple(dict.fromkeys([*first, *sorted(kind for kind in Image.OPEN if kind not in UNREAD)]))


@functools.lru_cache(maxsize=1)
def endings() -> tuple[str, ...]:
    """Their endings, in small letters."""
    from PIL import Image

    known = formats()
    return tuple(sorted(ending for ending, kind in Image.registered_extensions().items() if kind in known))
