"""Axes by name: what `over` means for a map, and for a vector of features."""

from __future__ import annotations

from typing import Literal

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import TensorType

Axis = Literal["channels", "height", "width"]
Over = Literal["channels", "height", "width", "grid"]
"""`grid` is height and width together. In attention's `[n, heads, rows, columns]` the places count."""

_AXES: dict[str, tuple[int, ...]] = {"channels": (1,), "height": (2,), "width": (3,), "grid": (2, 3)}


def axes(x: TensorType, over: str) -> tuple[int, ...]:
    """The positions of the named axes in the shape of `x`; raises CMT-204 where it has none of that name."""
    found = _AXES[over]
    if not x.batched or not (len(x.shape) == 4 or (len(x.shape) == 2 and over == "channels")):
        hint = "a map is [n, channels, height, width], a vector of features [n, channels]"
        raise ShapeError("CMT-204", f"{x} has no {over}", attribute="over", hint=hint)
    return found
