"""Sliding windows: how many there are, and a view of them."""

from __future__ import annotations

from typing import Any

from cmt_dsl.ir import Array

Pair = tuple[int, int]


def span(kernel: int, dilation: int = 1) -> int:
    """Rows from a window's first to its last: dilation (kernel - 1) + 1."""
    return dilation * (kernel - 1) + 1


def window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Positions of a window along one side: floor((size + 2 padding - span) / stride) + 1."""
    return (size + 2 * padding - span(kernel, dilation)) // stride + 1


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Views of a map `[n, c, h, w]` as `[n, c, h', w', kernel height, kernel width]`."""
    import numpy as np

    slide: Any = np.lib.stride_tricks.sliding_window_view
    whole = (span(kernel[0], dilation[0]), span(kernel[1], dilation[1]))
    views = slide(x, whole, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    return views[..., :: dilation[0], :: dilation[1]]


def padded(x: Array, padding: Pair, value: float = 0.0) -> Array:
    """A map with rows above and below and columns left and right of it."""
    import numpy as np

    (p, q) = padding
    return np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=value)
