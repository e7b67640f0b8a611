"""What a data set holds: images by class, kinds and sizes of pictures, and every file that cannot be read."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from runtime.data.decoding import Unreadable, picture
from runtime.data.pictures import Pictures, Stored

AT_ONCE = 256


def census(source: Pictures, progress: Callable[[str, int, int], object]) -> dict[str, Any]:
    """{"classes", "notes", "splits": {split: {"images", "by_class", "kinds", "sides", "bad"}}}; decodes every image.

    `progress` is told the split and how many images of how many are done.
    """
    found = {}
    with ThreadPoolExecutor(source.workers) as pool:
        for split, stored in source.stored.items():
            kinds: Counter[str] = Counter()
            sides: list[tuple[int, int]] = []
            bad: list[dict[str, str]] = []
            size = len(stored.labels)
            progress(split, 0, size)
            for start in range(0, size, AT_ONCE):
                some = range(start, min(start + AT_ONCE, size))
                for index, (kind, side, reason) in zip(
                    some, pool.map(lambda i, s=stored: _look(s, i), some), strict=True
                ):
                    if reason:
                        bad.append({"file": stored.name(index), "reason": reason})
                    else:
                        kinds[kind] += 1
                        sides.append(side)
                progress(split, some[-1] + 1, size)
            counts = np.bincount(stored.labels, minlength=len(source.classes))
            found[split] = {
                "images": size,
                "by_class": dict(zip(source.classes, counts.tolist(), strict=True)),
                "kinds": dict(kinds.most_common()),
                "sides": _spread(sides),
                "bad": bad,
            }
    return {
        "data": source.name,
        "classes": len(source.classes),
        "notes": list(source.notes),
        "splits": found,
    }


def _look(stored: Stored, index: int) -> tuple[str, tuple[int, int], str]:
    """(kind, (width, height), what is wrong) of one image."""
    from PIL import Image

    try:
        content = stored.read(index)
        picture(content, 1)
        if not isinstance(content, bytes):
            return "pixels", (content.shape[1], content.shape[0]), ""
        with Image.open(io.BytesIO(content)) as image:
            return f"{image.format} {image.mode}", image.size, ""
    except (Unreadable, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return "", (0, 0), reason


def _spread(sides: list[tuple[int, int]]) -> dict[str, list[int]]:
    """Smallest, median and largest image by area, as [width, height]."""
    if not sides:
        return {}
    ordered = sorted(sides, key=lambda side: (side[0] * side[1], side))
    places = {"smallest": 0, "median": len(ordered) // 2, "largest": len(ordered) - 1}
    return {name: list(ordered[at]) for name, at in places.items()}
