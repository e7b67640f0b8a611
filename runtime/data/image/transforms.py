"""What training and validation show of a picture, and the numbers that normalise it: timm's geometry, bicubic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from runtime.array import Array
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup, Crop

if TYPE_CHECKING:
    from PIL.Image import Image

# ImageNet, 0..255
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)
FILL = (round(MEAN[0]), round(MEAN[1]), round(MEAN[2]))  # where a moved image leaves nothing
ATTEMPTS = 10  # timm and torchvision: then the largest crop from the centre
_SCALE = np.array([1 / s for s in STD], dtype=np.float32)[:, None, None]
_SHIFT = np.array([m / s for m, s in zip(MEAN, STD, strict=True)], dtype=np.float32)[:, None, None]


def draw_crop(rng: np.random.Generator, crop: Crop, width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of torchvision's RandomResizedCrop in an image of width x height."""
    low, high = crop.ratio
    for _ in range(ATTEMPTS):
        least, most = crop.scale
        area = rng.uniform(least, most) * width * height
        ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w, h = width, height
    if width < low * height:
        h = max(1, round(width / low))
    elif width > high * height:
        w = max(1, round(height * high))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def train_view(image: Image, view: View, augment: AugmentGroup, rng: np.random.Generator) -> Image:
    """Random crop resized to the view, flip, rotation and shift."""
    from PIL.Image import Resampling, Transpose

    if augment.crop is not None:
        image = image.crop(draw_crop(rng, augment.crop, *image.size))
    image = image.resize((view.width, view.height), Resampling.BICUBIC)
    if rng.random() < augment.flip:
        image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
    if augment.rotate > 0 or augment.shift > 0:
        image = _moved(image, augment, rng)
    return image


def _moved(image: Image, augment: AugmentGroup, rng: np.random.Generator) -> Image:
    from PIL.Image import Resampling, Transform

    width, height = image.size
    angle = math.radians(rng.uniform(-augment.rotate, augment.rotate))
    dx, dy = rng.uniform(-augment.shift, augment.shift, 2) * (width, height)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = width / 2, height / 2  # output to input: back by the shift, then around the centre
    matrix = (cos, sin, x - cos * (x + dx) - sin * (y + dy), -sin, cos, y + sin * (x + dx) - cos * (y + dy))
    return image.transform(image.size, Transform.AFFINE, matrix, Resampling.BILINEAR, fillcolor=FILL)


def eval_view(image: Image, view: View) -> Image:
    """The centre crop of the resized image: its shorter side is the view's / eval_crop.

    Only the crop is computed, so that an image of 1 x 5000 pixels is not blown up to its whole length.
    """
    from PIL.Image import Resampling

    width, height = image.size
    wide, high = int(view.width / view.eval_crop), int(view.height / view.eval_crop)
    if view.width == view.height:  # the longer side keeps its proportion
        if width <= height:
            high = int(wide * height / width)
        else:
            wide = int(high * width / height)
    left, top = round((wide - view.width) / 2), round((high - view.height) / 2)
    x, y = width / wide, height / high
    box = (left * x, top * y, min((left + view.width) * x, width), min((top + view.height) * y, height))
    return image.resize((view.width, view.height), Resampling.BICUBIC, box=box)


def normalised(image: Image, channels: int) -> Array:
    """float32 [channels, h, w]; one channel is the luminance."""
    pixels = np.asarray(image).transpose(2, 0, 1)
    out = np.empty(pixels.shape, dtype=np.float32)
    np.multiply(pixels, _SCALE, out=out)
    out -= _SHIFT
    return out if channels == 3 else grey(out[None])[0]


def grey(images: Array) -> Array:
    """Normalised [n, 3, h, w] to normalised luminance [n, 1, h, w]."""
    std = np.array(STD, dtype=np.float32)
    shades = np.einsum("nchw,c->nhw", images, LUMA * std) / (LUMA @ std)
    return np.ascontiguousarray(shades[:, None])


def pixels(images: Array) -> Array:
    """Normalised [n, 1 or 3, h, w] back to uint8 [n, h, w, 3]."""
    if images.shape[1] == 3:
        back = (images + _SHIFT) / _SCALE
    else:
        std, mean = np.array(STD, dtype=np.float32), np.array(MEAN, dtype=np.float32)
        back = np.repeat(images * (LUMA @ std) + LUMA @ mean, 3, axis=1)
    return np.clip(np.rint(back), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
