"""Random erasing (Zhong et al. 2017) with noise per pixel, as timm's mode `pixel` and MindCV's re_value `random`."""

from __future__ import annotations

import math

import numpy as np

from runtime.array import Array
from runtime.data.order import generator
from runtime.recipe.augment import Erase

ATTEMPTS = 10  # timm and torchvision: then the image stays whole


def draw_box(rng: np.random.Generator, erase: Erase, height: int, width: int) -> tuple[slice, slice] | None:
    """Rows and columns to erase, or None for a whole image."""
    if rng.random() >= erase.prob:
        return None
    for _ in range(ATTEMPTS):
        least, most = erase.area
        area = rng.uniform(least, most) * height * width
        aspect = math.exp(rng.uniform(math.log(erase.aspect[0]), math.log(erase.aspect[1])))
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if h < height and w < width:
            top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            return slice(top, top + h), slice(left, left + w)
    return None


def erase_one(image: Array, erase: Erase, rng: np.random.Generator) -> None:
    """Put a box of N(0, 1) noise into a normalised image [c, h, w], or leave it as it is."""
    box = draw_box(rng, erase, *image.shape[1:])
    if box is not None:
        image[:, box[0], box[1]] = rng.standard_normal(image[:, box[0], box[1]].shape, dtype=np.float32)


def erased(images: Array, draws: Array, erase: Erase | None, seed: int, epoch: int) -> Array:
    """Normalised images [n, c, h, w] with boxes of noise; `draws` [n] tell their random numbers apart."""
    if erase is None or erase.prob == 0:
        return images
    out = images.copy()
    for image, draw in zip(out, draws, strict=True):
        erase_one(image, erase, generator("erasing", seed, epoch, int(draw)))
    return out
