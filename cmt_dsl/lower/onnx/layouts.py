"""Arithmetic of layouts: which axis lies where, what leads from one to another, which sums tokens can do."""

from __future__ import annotations

import numpy as np

from cmt_dsl.ir import Array, Layout, TensorType

_ORDER: dict[Layout, tuple[int, int, int, int]] = {
    "map": (0, 1, 2, 3),
    "swapped": (0, 1, 3, 2),
    "split": (0, 3, 1, 2),
    "tokens": (0, 2, 3, 1),  # and the two in the middle are one
}


def order(layout: Layout) -> tuple[int, int, int, int]:
    """The axes of the graph's value in the order in which the layout has them."""
    return _ORDER[layout]


def step(source: Layout, layout: Layout) -> tuple[int, ...]:
    """The permutation that leads from one layout to another; of tokens as a grid with channels last."""
    return tuple(_ORDER[source].index(axis) for axis in _ORDER[layout])


def tokens_do(x: TensorType, out: TensorType) -> bool:
    """Whether a value can be broadcast as tokens: its grid is the result's, or one position."""
    grid = (1, 1, 1, 1, *x.shape)[-2:]
    return grid in ((1, 1), out.shape[-2:])


def lying(constant: Array, layout: Layout) -> Array:
    """A value without a batch, as it broadcasts against one in that layout."""
    if layout == "map":
        return constant
    whole = constant.reshape((1,) * (4 - constant.ndim) + constant.shape).transpose(_ORDER[layout])
    n, a, b, c = whole.shape
    return np.ascontiguousarray(whole.reshape(n, a * b, c) if layout == "tokens" else whole)
