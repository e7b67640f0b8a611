"""Types of operator attributes, as Pydantic reads them: strict, so that "3" is no number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, cast

from pydantic import Field, PlainValidator

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Index = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Rate = Annotated[float, Field(strict=True, ge=0, lt=1)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Epsilon = Annotated[float, Field(strict=True, gt=0, lt=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Shape = Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)]


def _sides(least: int, most: int) -> Callable[[Any], int | tuple[int, int]]:
    """A reader of one whole number, or of two as [height, width]; two equal ones are one."""

    def read(value: Any) -> int | tuple[int, int]:
        given = [*cast("list[Any]", value)] if isinstance(value, (list, tuple)) else [value, value]
        if len(given) != 2 or any(type(v) is not int for v in given):
            raise ValueError(f"should be a whole number or [height, width], not {written(value)}")
        if not all(least <= v <= most for v in given):
            raise ValueError(f"should be from {least} to {most:,}, not {written(value)}")
        return given[0] if given[0] == given[1] else (given[0], given[1])

    return read


Sides = Annotated[int | tuple[int, int], PlainValidator(_sides(1, 1_000_000))]
"""Of a window or a step: one number for both directions, or (height, width)."""
Margins = Annotated[int | tuple[int, int], PlainValidator(_sides(0, 1024))]
"""Zeros on each side: one number all around, or (above and below, left and right)."""

_STARTS = ("zeros", "ones", "normal", "trunc_normal_02")


def _start(value: Any) -> str | float:
    if isinstance(value, str) and value in _STARTS:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e30:
        return {0.0: "zeros", 1.0: "ones"}.get(float(value), float(value))
    raise ValueError(f"should be a number or one of {', '.join(_STARTS)}, not {written(value)}")


Start = Annotated[Literal["zeros", "ones", "normal", "trunc_normal_02"] | float, PlainValidator(_start)]
"""How a free parameter starts: by name, or from one number."""


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of what was given for both or for each."""
    return value if isinstance(value, tuple) else (value, value)


def written(value: Any) -> str:
    """An attribute as people write it in a spec: `[1, 7]`, `true`, `'word'`."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, cast("list[Any]", value))) + "]"
    return (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or isinstance(value, bool)
        else repr(value)
    )
