"""What a data set holds: images by class, kinds and sizes of pictures, what cannot be read, what is there twice."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.data.equal import SIZE, digest, equal
from runtime.data.image.decoding import Unreadable, picture
from runtime.data.imbalance import imbalance
from runtime.data.pictures import Pictures
from runtime.data.stored import Content, Stored

AT_ONCE = 256


@dataclass(frozen=True)
class Look:
    """What one image is, or why it cannot be read."""

    kind: str = ""
    side: tuple[int, int] = (0, 0)
    reason: str = ""
    digest: bytes = bytes(SIZE)


def census(source: Pictures, progress: Callable[[str, int, int], object]) -> dict[str, Any]:
    """Plain data: "classes", "notes", "splits" and "equal" of a source; every image is read and decoded once.

    A split has "images", "by_class", "imbalance", "kinds", "sides", "bad" and, of a folder, "left_out". "equal" has
    groups of file names, "within_class", "across_classes" and "across_splits". `progress` is told the split and how
    many images of how many are done.
    """
    found, digests = {}, {}
    with ThreadPoolExecutor(source.workers) as pool:
        for split, stored in sorted(source.stored.items()):  # train, val
            looks = _looks(pool, stored, lambda done, of, split=split: progress(split, done, of))
            kinds: Counter[str] = Counter()
            sides: list[tuple[int, int]] = []
            bad: list[dict[str, str]] = []
            digests[split] = np.zeros((len(stored.labels), SIZE), dtype=np.uint8)
            for index, look in enumerate(looks):
                if look.reason:
                    bad.append({"file": stored.name(index), "reason": look.reason})
                    continue
                kinds[look.kind] += 1
                sides.append(look.side)
                digests[split][index] = np.frombuffer(look.digest, dtype=np.uint8)
            counts = np.bincount(stored.labels, minlength=len(source.classes)).tolist()
            found[split] = {
                "images": len(stored.labels),
                "by_class": dict(zip(source.classes, counts, strict=True)),
                "imbalance": imbalance(source.classes, counts),
                "kinds": dict(kinds.most_common()),
                "sides": _spread(sides),
                "left_out": dict(source.left_out.get(split, {})),
                "bad": bad,
            }
    same = equal(digests, {split: stored.labels for split, stored in source.stored.items()})
    return {
        "data": source.name,
        "classes": len(source.classes),
        "notes": list(source.notes),
        "splits": found,
        "equal": {
            kind: [[source.stored[split].name(index) for split, index in group] for group in groups]
            for kind, groups in vars(same).items()
        },
    }


def _looks(
    pool: ThreadPoolExecutor, stored: Stored, progress: Callable[[int, int], object]
) -> Iterator[Look]:
    """Of every image, in order."""
    size = len(stored.labels)
    progress(0, size)
    contents, done = stored.contents(np.arange(size)), 0
    while some := list(itertools.islice(contents, AT_ONCE)):
        yield from pool.map(_look, some)
        done += len(some)
        progress(done, size)


def _look(read: Callable[[], Content]) -> Look:
    from PIL import Image

    try:
        content = read()
        picture(content, 1)
        if not isinstance(content, bytes):
            return Look("pixels", (content.shape[1], content.shape[0]), "", digest(content))
        with Image.open(io.BytesIO(content)) as image:
            return Look(f"{image.format} {image.mode}", image.size, "", digest(content))
    except (Unreadable, OSError) as error:
        return Look(reason=error.strerror if isinstance(error, OSError) and error.strerror else str(error))


def _spread(sides: list[tuple[int, int]]) -> dict[str, list[int]]:
    """Smallest, median and largest image by area, as [width, height]."""
    if not sides:
        return {}
    ordered = sorted(sides, key=lambda side: (side[0] * side[1], side))
    places = {"smallest": 0, "median": len(ordered) // 2, "largest": len(ordered) - 1}
    return {name: list(ordered[at]) for name, at in places.items()}
