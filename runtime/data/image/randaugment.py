"""RandAugment (Cubuk et al. 2020) with timm's 15 operators or MindCV's 14, and their strengths, through Pillow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.recipe.augment import RandAugment

if TYPE_CHECKING:
    from PIL.Image import Image

FULL = 10.0  # the largest strength
Amount = Callable[[float, float], float]  # (strength / FULL, sign) -> what the operator takes
AMOUNTS: dict[str, Amount] = {
    "auto_contrast": lambda part, sign: 0,
    "equalize": lambda part, sign: 0,
    "invert": lambda part, sign: 0,
    "rotate": lambda part, sign: sign * 30 * part,  # degrees
    "posterize": lambda part, sign: int(4 * part),  # bits kept
    "solarize": lambda part, sign: int(256 * part),  # inverts from here
    "solarize_add": lambda part, sign: int(110 * part),  # added below 128
    "color": lambda part, sign: 0.1 + 1.8 * part,  # 1 changes nothing, as for the next three
    "contrast": lambda part, sign: 0.1 + 1.8 * part,
    "brightness": lambda part, sign: 0.1 + 1.8 * part,
    "sharpness": lambda part, sign: 0.1 + 1.8 * part,
    "shear_x": lambda part, sign: sign * 0.3 * part,
    "shear_y": lambda part, sign: sign * 0.3 * part,
    "translate_x": lambda part, sign: sign * 0.45 * part,  # of the width
    "translate_y": lambda part, sign: sign * 0.45 * part,  # of the height
}


def _enhance(part: float, sign: float) -> float:
    return max(0.1, 1 + sign * 0.9 * part)


INCREASING: dict[str, Amount] = AMOUNTS | {
    "posterize": lambda part, sign: 4 - int(4 * part),
    "solarize": lambda part, sign: 256 - int(256 * part),
    "color": _enhance,
    "contrast": _enhance,
    "brightness": _enhance,
    "sharpness": _enhance,
}


def _lean(part: float, sign: float) -> float:
    return sign * math.tan(math.radians(0.3 * part))


# What MindCV's code does, measured on the operators it calls: it has no solarize_add, gives MindSpore's posterize
# 8 less the bits to keep, a strongest solarize of 255, and shears by 0.3 degrees where timm shears by 0.3 widths.
MINDCV: dict[str, Amount] = {k: v for k, v in AMOUNTS.items() if k != "solarize_add"} | {
    "posterize": lambda part, sign: 8 - int(4 * part),
    "solarize": lambda part, sign: int(255 * part),
    "shear_x": _lean,
    "shear_y": _lean,
}
MINDCV_INCREASING: dict[str, Amount] = {k: v for k, v in INCREASING.items() if k in MINDCV} | {
    "posterize": lambda part, sign: 4 + int(4 * part),
    "solarize": lambda part, sign: 255 - int(255 * part),
    "shear_x": _lean,
    "shear_y": _lean,
}
SPACES = {"timm": (AMOUNTS, INCREASING), "mindcv": (MINDCV, MINDCV_INCREASING)}  # plain, increasing


def plan(rng: np.random.Generator, group: RandAugment) -> list[tuple[str, float]]:
    """The operators to carry out on one image, in order, each with its amount."""
    amounts = SPACES[group.space][group.increasing]
    names, found = list(amounts), []
    for pick in rng.integers(len(names), size=group.ops):
        if rng.random() >= group.prob:
            continue
        strength = min(max(float(rng.normal(group.magnitude, group.std)), 0.0), FULL)
        sign = -1.0 if rng.random() < 0.5 else 1.0
        found.append((names[pick], amounts[names[pick]](strength / FULL, sign)))
    return found


def carried_out(image: Image, steps: list[tuple[str, float]], fill: tuple[int, int, int]) -> Image:
    """An RGB image after `steps`; bicubic, and `fill` where a moved image leaves nothing."""
    for name, amount in steps:
        image = _one(image, name, amount, fill)
    return image


def _one(image: Any, name: str, amount: float, fill: tuple[int, int, int]) -> Any:
    from PIL import Image, ImageEnhance, ImageOps

    cubic = Image.Resampling.BICUBIC
    width, height = image.size
    moves = {
        "shear_x": (1, amount, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, amount, 1, 0),
        "translate_x": (1, 0, amount * width, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, amount * height),
    }
    if name in moves:
        return image.transform(
            image.size, Image.Transform.AFFINE, moves[name], resample=cubic, fillcolor=fill
        )
    if name == "rotate":
        return image.rotate(amount, resample=cubic, fillcolor=fill)
    if name in ("color", "contrast", "brightness", "sharpness"):
        return getattr(ImageEnhance, name.capitalize())(image).enhance(amount)
    if name == "posterize":
        # Pillow's own posterize refuses 0 bits, which timm draws
        return image.point([i & (0xFF00 >> int(amount)) & 0xFF for i in range(256)] * 3)
    if name == "solarize":
        return ImageOps.solarize(image, int(amount))
    if name == "solarize_add":
        return image.point([min(255, i + int(amount)) if i < 128 else i for i in range(256)] * 3)
    plain = {"auto_contrast": ImageOps.autocontrast, "equalize": ImageOps.equalize, "invert": ImageOps.invert}
    return plain[name](image)
