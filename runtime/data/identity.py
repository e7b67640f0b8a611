"""What a data set is known by when a run goes on: names, sizes and labels of its images, without reading them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.stored import Stored

Identity = dict[str, dict[str, str]]
"""By split and class: how many images, and a hash of their names and sizes, as "12 8f14e45f"."""
SHOWN = 3
"""Classes that a message names."""


def identified(stores: Mapping[str, Stored], classes: tuple[str, ...]) -> Identity:
    """Of the stores of a source, by split. CMT-501 for a file that is gone.

    A folder's images are known by their paths below it, so that it may be moved, and by their sizes: no time, and
    nothing of their content.
    """
    return {split: dict(_by_class(stored, classes)) for split, stored in stores.items()}


def _by_class(stored: Stored, classes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    order = np.argsort(stored.labels, kind="stable")
    ends = np.searchsorted(stored.labels[order], np.arange(len(classes) + 1)).tolist()
    for name, start, end in zip(classes, ends, ends[1:], strict=False):
        rows = order[start:end].tolist()
        digest = hashlib.blake2b(digest_size=8)
        for index in rows:
            try:
                known, size = stored.identity(index)
            except OSError as error:
                where = error.filename or stored.name(index)
                raise CmtError("CMT-501", f"cannot read {where}: {error.strerror}") from None
            digest.update(os.fsencode(f"{known}\0{size}\n"))
        yield name, f"{len(rows)} {digest.hexdigest()}"


def of_arrays(images: Array, labels: Array, classes: tuple[str, ...]) -> dict[str, str]:
    """Of images in memory, by class: a hash of all they hold."""
    found = {}
    for label, name in enumerate(classes):
        own = np.ascontiguousarray(images[labels == label])
        found[name] = f"{len(own)} {hashlib.blake2b(own.tobytes(), digest_size=8).hexdigest()}"
    return found


def total(identity: Identity) -> str:
    """One hash of it all, to be compared between workers."""
    return hashlib.blake2b(
        repr(sorted((k, sorted(v.items())) for k, v in identity.items())).encode()
    ).hexdigest()


def difference(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> str:
    """Which classes hold other images than before, in words; "" where none does."""
    told = []
    for split in sorted(set(old) & set(new), reverse=True):  # train, then val
        names = [*old[split], *(name for name in new[split] if name not in old[split])]
        for name in names:
            was, now = old[split].get(name, "0 "), new[split].get(name, "0 ")
            if was != now:
                told.append(f"class {name} of {split} held {_images(was)}, now {_others(was, now)}")
    more = f"; and {len(told) - SHOWN} other classes" if len(told) > SHOWN else ""
    return "; ".join(told[:SHOWN]) + more


def _images(found: str) -> str:
    count = found.split(" ")[0]
    return f"{count} image" if count == "1" else f"{count} images"


def _others(was: str, now: str) -> str:
    return "others" if was.split(" ")[0] == now.split(" ")[0] else now.split(" ")[0]
