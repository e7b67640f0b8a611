"""What a data set is known by when a run goes on: names, sizes and labels of its images, without reading them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from cmt_dsl.errors import CmtError

Identity = dict[str, dict[str, str]]
"""By split and class: how many images, and a hash of their names and sizes, as "12 8f14e45f"."""


def identity(source: Any) -> Identity:
    """Of a source over stores; nothing for one that never changes (the digits). CMT-501 for a file that is gone.

    A folder's images are known by their paths below it, so that it may be moved, and by their sizes: 4 µs a file.
    """
    found: Identity = {}
    for split, stored in getattr(source, "stored", {}).items():
        digests = [hashlib.blake2b(digest_size=8) for _ in source.classes]
        counts = [0] * len(digests)
        for index, label in enumerate(stored.labels.tolist()):
            try:
                name, size = stored.identity(index)
            except OSError as error:
                raise CmtError("CMT-501", f"cannot read {stored.name(index)}: {error.strerror}") from None
            digests[label].update(os.fsencode(f"{name}\0{size}\n"))
            counts[label] += 1
        found[split] = {
            name: f"{count} {digest.hexdigest()}"
            for name, count, digest in zip(source.classes, counts, digests, strict=True)
        }
    return found


def difference(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> str:
    """The first class that holds other images than before, in words; "" where none does."""
    for split in sorted(set(old) & set(new), reverse=True):
        for name in [*old[split], *(n for n in new[split] if n not in old[split])]:
            was, now = old[split].get(name, "0 "), new[split].get(name, "0 ")
            if was != now:
                before, after = was.split(" ")[0], now.split(" ")[0]
                what = (
                    f"{before} images, now {after}" if before != after else f"{before} images, and now others"
                )
                return f"class {name} of {split} held {what}"
    return ""
