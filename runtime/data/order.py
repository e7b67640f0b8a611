"""Which image is drawn when, and the random numbers of each draw, however the work is divided."""

from __future__ import annotations

from typing import Literal

import numpy as np

Stream = Literal["mixing", "erasing", "randaugment", "view", "jitter"]
STREAMS: dict[Stream, int] = {"mixing": 1, "erasing": 2, "randaugment": 3, "view": 4, "jitter": 5}


def generator(stream: Stream, *key: int) -> np.random.Generator:
    """Independent random numbers for each stream and key, such as (seed, epoch, draw)."""
    return np.random.default_rng([*key, STREAMS[stream]])


def shuffled_draws(rng: np.random.Generator, size: int, repeats: int) -> np.ndarray:
    """[size] draws of an epoch: image + size * repeat, the repeats of an image in a row (DeiT's sampler).

    A draw is unique within its epoch; `draw % size` is the image.
    """
    images = rng.permutation(size)
    return (images[:, None] + size * np.arange(repeats)).reshape(-1)[:size]
