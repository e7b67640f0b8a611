"""Sliding windows: how many there are, and a view of them."""

from __future__ import annotations

from typing import Any

from cmt_dsl.ir import Array


def window(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions of a window along one side: floor((size + 2 padding - kernel) / stride) + 1."""
    return (size + 2 * padding - kernel) // stride + 1


def windows(x: Array, kernel: int, stride: int) -> Array:
    """Views of a map `[n, c, h, w]` as `[n, c, h', w', kernel, kernel]`."""
    import numpy as np

    slide: Any = np.lib.stride_tricks.sliding_window_view
    return slide(x, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]
