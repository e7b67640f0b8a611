"""Colour jitter as in torchvision and timm: brightness, contrast, saturation and hue, in a random order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runtime.recipe.augment import Jitter

if TYPE_CHECKING:
    from PIL.Image import Image

ENHANCED = {"brightness": "Brightness", "contrast": "Contrast", "saturation": "Color"}  # Pillow's names


def plan(rng: np.random.Generator, jitter: Jitter) -> list[tuple[str, float]]:
    """The changes of one image in order: a factor around 1, or for hue a part of the colour circle around 0."""
    steps: list[tuple[str, float]] = []
    for name in ENHANCED:
        reach = getattr(jitter, name)
        if reach > 0:
            steps.append((name, float(rng.uniform(max(0.0, 1 - reach), 1 + reach))))
    if jitter.hue > 0:
        steps.append(("hue", float(rng.uniform(-jitter.hue, jitter.hue))))
    return [steps[i] for i in rng.permutation(len(steps))]


def jittered(image: Image, steps: list[tuple[str, float]]) -> Image:
    """An RGB image after `steps`."""
    from PIL import ImageEnhance

    for name, amount in steps:
        if name == "hue":
            image = _turned(image, amount)
        else:
            image = getattr(ImageEnhance, ENHANCED[name])(image).enhance(amount)
    return image


def _turned(image: Image, part: float) -> Image:
    from PIL.Image import merge

    hue, saturation, value = image.convert("HSV").split()
    by = round(part * 255)
    return merge("HSV", (hue.point([(i + by) % 256 for i in range(256)]), saturation, value)).convert("RGB")
