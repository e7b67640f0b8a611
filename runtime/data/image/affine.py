"""Random crops, flips, shifts and rotations of small grey images, as one warp in NumPy."""

from __future__ import annotations

import math

import numpy as np

from runtime.array import Array
from runtime.recipe.augment import AugmentGroup


def draw(rng: np.random.Generator, n: int, augment: AugmentGroup) -> Array:
    """[n, 2, 3] maps from output to input coordinates, both in -1..1 over the image (x, then y)."""
    maps = np.zeros((n, 2, 3))
    angle = np.deg2rad(rng.uniform(-augment.rotate, augment.rotate, n))
    maps[:, 0, 0], maps[:, 0, 1] = np.cos(angle), -np.sin(angle)
    maps[:, 1, 0], maps[:, 1, 1] = np.sin(angle), np.cos(angle)
    maps[:, :, 2] = rng.uniform(-2 * augment.shift, 2 * augment.shift, (n, 2))
    if augment.crop is not None:
        low, high = augment.crop.ratio
        ratio = np.exp(rng.uniform(math.log(low), math.log(high), n))
        least, most = augment.crop.scale
        area = rng.uniform(least, most, n)
        sides = np.minimum(np.sqrt(np.stack([area * ratio, area / ratio], axis=1)), 1.0)  # [n, (w, h)] / side
        maps[:, :, :2] = maps[:, :, :2] @ (sides[:, :, None] * np.eye(2))
        maps[:, :, 2] += rng.uniform(-1, 1, (n, 2)) * (1 - sides)
    mirrored = rng.random(n) < augment.flip
    maps[mirrored, :, 0] *= -1
    return maps


def warp(images: Array, maps: Array, empty: float) -> Array:
    """images [n, h, w] sampled bilinearly through `maps`; what lies outside an image is `empty`."""
    n, h, w = images.shape
    x, y = np.meshgrid((np.arange(w) + 0.5) / w * 2 - 1, (np.arange(h) + 0.5) / h * 2 - 1)
    grid = np.stack([x.ravel(), y.ravel(), np.ones(h * w)])
    at = maps @ grid  # [n, 2, h*w]
    # one pixel of border on each side, which sampling outside is clipped to
    column = np.clip((at[:, 0] + 1) * w / 2 + 0.5, 0, w + 0.999)
    row = np.clip((at[:, 1] + 1) * h / 2 + 0.5, 0, h + 0.999)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=empty).reshape(n, -1)
    left, top = column.astype(np.int64), row.astype(np.int64)
    fx, fy = (column - left).astype(np.float32), (row - top).astype(np.float32)
    corner = top * (w + 2) + left
    pick = lambda offset: np.take_along_axis(padded, corner + offset, axis=1)  # noqa: E731
    upper = pick(0) * (1 - fx) + pick(1) * fx
    lower = pick(w + 2) * (1 - fx) + pick(w + 3) * fx
    return (upper * (1 - fy) + lower * fy).reshape(n, h, w).astype(np.float32)


def resize(images: Array, height: int, width: int) -> Array:
    """images [n, h, w] to [n, height, width], bilinear, edges held."""
    rows, columns = _weights(images.shape[1], height), _weights(images.shape[2], width)
    return np.einsum("ih,nhw,jw->nij", rows, images, columns, optimize=True).astype(np.float32)


def _weights(size: int, shown: int) -> Array:
    """[shown, size] matrix of linear interpolation with pixel centres at half integers."""
    at = np.clip((np.arange(shown) + 0.5) * size / shown - 0.5, 0, size - 1)
    low = np.minimum(at.astype(int), size - 1)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((shown, size))
    np.add.at(matrix, (np.arange(shown), low), 1 - (at - low))
    np.add.at(matrix, (np.arange(shown), high), at - low)
    return matrix
