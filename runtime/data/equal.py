"""Images of the same bytes: within a class, under two classes, and in both splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from runtime.array import Array

SIZE = 16
"""Bytes of a hash; all zero where an image could not be read."""


@dataclass(frozen=True)
class Equal:
    """Groups of images with the same bytes, each an image by (split, index). A group may be of several kinds."""

    within_class: tuple[tuple[tuple[str, int], ...], ...]
    across_classes: tuple[tuple[tuple[str, int], ...], ...]
    across_splits: tuple[tuple[tuple[str, int], ...], ...]


def digest(content: bytes | Array) -> bytes:
    """Of what a file holds, or of pixels."""
    data = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
    return hashlib.blake2b(data, digest_size=SIZE).digest()


def equal(digests: Mapping[str, Array], labels: Mapping[str, Array]) -> Equal:
    """The groups in order of their first image, for hashes uint8 [n, SIZE] and labels [n] by split.

    within_class: two of a class in one split; across_classes: of two classes; across_splits: of two splits. Memory is
    that of the hashes, some 60 bytes an image.
    """
    splits = list(digests)
    if not splits:
        return Equal((), (), ())
    every = np.concatenate([digests[split] for split in splits]).view(f"V{SIZE}").reshape(-1)
    whose = np.repeat(np.arange(len(splits)), [len(digests[split]) for split in splits])
    label = np.concatenate([labels[split] for split in splits])
    starts = np.cumsum([0, *(len(digests[split]) for split in splits)])
    halves = every.view(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: images of a group stay in order
    same = (halves[order[1:]] == halves[order[:-1]]).all(axis=1) & halves[order[1:]].any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    groups = [np.sort(order[start : end + 1]) for start, end in edges.reshape(-1, 2)]
    groups.sort(key=lambda rows: int(rows[0]))
    found: dict[str, list[tuple[tuple[str, int], ...]]] = {"within": [], "classes": [], "splits": []}
    for rows in groups:
        named = tuple((splits[whose[row]], int(row - starts[whose[row]])) for row in rows)
        pairs = list(zip(whose[rows].tolist(), label[rows].tolist(), strict=True))
        if len(set(pairs)) < len(pairs):
            found["within"].append(named)
        if len({one for _, one in pairs}) > 1:
            found["classes"].append(named)
        if len({one for one, _ in pairs}) > 1:
            found["splits"].append(named)
    return Equal(*(tuple(found[kind]) for kind in ("within", "classes", "splits")))
