"""Bicubic interpolation of one axis as a matrix."""

from __future__ import annotations

import numpy as np

from runtime.array import Array

SHARPNESS = -0.5
"""Of Keys' kernel (IEEE ASSP 29, 1981), for which quadratic polynomials are reproduced; as in Pillow."""


def bicubic(size: int, new: int) -> Array:
    """Float64 `[new, size]`, rows summing to 1; samples lie at pixel centres, and shrinking widens the kernel."""
    scale = size / new
    width = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    low, high = (np.floor(centres + sign * 2 * width + 0.5) for sign in (-1, 1))
    at = np.arange(size)
    inside = (at >= low[:, None]) & (at < high[:, None])
    weights = np.where(inside, _kernel((at + 0.5 - centres[:, None]) / width), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _kernel(x: Array) -> Array:
    x, a = np.abs(x), SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
