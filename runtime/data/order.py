"""Which image is drawn when, and the random numbers of each draw, however the work is divided."""

from __future__ import annotations

from typing import Literal

import numpy as np

from runtime.array import Array

Stream = Literal["mixing", "erasing", "randaugment", "view", "jitter"]
STREAMS: dict[Stream, int] = {"mixing": 1, "erasing": 2, "randaugment": 3, "view": 4, "jitter": 5}


def generator(stream: Stream, *key: int) -> np.random.Generator:
    """Independent random numbers for each stream and key, such as (seed, epoch, draw)."""
    return np.random.default_rng([*key, STREAMS[stream]])


def epoch_draws(rng: np.random.Generator, labels: Array, repeats: int, *, balance: bool = False) -> Array:
    """[n] draws of an epoch over n images: image + n * turn, the `repeats` of an image in a row (DeiT's sampler).

    A draw is unique within its epoch, and with it its random numbers; `draw % n` is the image. With `balance` every
    class that has images is drawn equally often, give or take one image: of a large class some images, of a small one
    each several times. Which ones, is drawn anew in each epoch.
    """
    size = len(labels)
    slots = _balanced(rng, labels, -(-size // repeats)) if balance else rng.permutation(size)
    image, turn = slots % size, slots // size
    return (image[:, None] + size * (turn[:, None] * repeats + np.arange(repeats))).reshape(-1)[:size]


def _balanced(rng: np.random.Generator, labels: Array, count: int) -> Array:
    """`count` times image + n * turn in random order, as many of each class; an image's turns are 0, 1, …"""
    classes = rng.permutation(np.unique(labels))  # the first ones get what does not divide
    found = []
    for place, label in enumerate(classes.tolist()):
        images = np.flatnonzero(labels == label)
        due = count // len(classes) + (place < count % len(classes))
        turns = [rng.permutation(images) + len(labels) * turn for turn in range(-(-due // len(images)))]
        found += [np.concatenate(turns)[:due]] if turns else []
    return rng.permutation(np.concatenate(found))
