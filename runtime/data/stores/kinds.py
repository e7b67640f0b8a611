"""Which files are images: by their ending, whatever this machine's Pillow turns into pixels by itself."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from importlib import import_module

UNREAD = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IM", "IMT", "IPTC", "MCIDAS", "MPEG", "PCD", "SPIDER", "WMF"})  # fmt: skip
"""Formats of Pillow that are not decoded here: EPS starts another program, others are only recognised, or bear no mark."""
FIRST, LAST = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"), ("TGA",)
"""The common formats, and the one without a mark at its beginning, which is tried when all others have declined."""
PLUGINS = (("pillow_heif", "register_heif_opener"), ("pillow_jxl", ""), ("pillow_avif", ""))
"""Packages that add formats to Pillow, and what registers them; used if installed."""
FIXES: Mapping[str, str] = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "pip install pillow-heif"),
    ".jxl": "pip install pillow-jxl-plugin",
    **dict.fromkeys((".avif", ".avifs"), "pip install -U pillow"),
    **dict.fromkeys((".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"), "camera raw: develop them"),
    **dict.fromkeys((".ai", ".emf", ".eps", ".pdf", ".ps", ".svg", ".svgz", ".wmf"), "drawings: convert them to PNG"),
    **dict.fromkeys((".avi", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"), "films: extract their frames"),
    **dict.fromkeys((".dcm", ".h5", ".hdf", ".mat", ".nii", ".npy", ".npz", ".pcd"), "arrays: convert them to PNG"),
}  # fmt: skip
"""Endings of pictures that are not, or not everywhere, read, and what would make them images."""
USUAL = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".gif", ".bmp", ".tif", ".jp2", ".ppm")
SHOWN = 6
"""Endings that a note lists."""


@functools.lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read here, in the order in which they are tried."""
    from PIL import Image

    for package, registers in PLUGINS:
        with contextlib.suppress(ImportError, OSError):
            module = import_module(package)
            if registers:
                getattr(module, registers)()
    Image.init()
    others = sorted(set(Image.OPEN) - UNREAD - {*FIRST, *LAST})
    return tuple(name for name in (*FIRST, *others, *LAST) if name in Image.OPEN)


@functools.lru_cache(maxsize=1)
def endings() -> frozenset[str]:
    """Their endings, in small letters."""
    from PIL import Image

    known = formats()
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in known)


def ending(name: str) -> str:
    """Of a file name: from the last dot on, in small letters; "" if it has none."""
    stem, dot, last = name.rpartition(".")
    return f".{last.lower()}" if dot and stem else ""


def is_image(name: str) -> bool:
    """Whether a file of that name is read."""
    return ending(name) in endings()


def pictures_unread(counts: Mapping[str, int]) -> dict[str, int]:
    """Of numbers of files by ending, those that hold pictures all the same."""
    return {name: count for name, count in counts.items() if name in FIXES}


def listed(counts: Mapping[str, int]) -> str:
    """`3 .heic (Pillow does not read them here: pip install pillow-heif), 2 .txt` for numbers of files by ending; pictures come first."""
    ranked = sorted(counts.items(), key=lambda item: (item[0] not in FIXES, -item[1], item[0] or "~"))
    told = []
    for name, count in ranked[:SHOWN]:
        why = f" (Pillow does not read them here: {FIXES[name]})" if name in FIXES else ""
        told.append(f"{count:,} {name or 'without ending'}{why}")
    if rest := ranked[SHOWN:]:
        told.append(f"{sum(count for _, count in rest):,} of {len(rest)} other endings")
    return ", ".join(told)


def what_is_read() -> str:
    """A hint: the endings that people use, of those that are read here."""
    return "images end in " + ", ".join(e for e in USUAL if e in endings()) + ", or what else Pillow reads"
