"""Types of values and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_dsl.errors import ShapeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.floating[Any]]"
Arrays: TypeAlias = "Mapping[str, Array]"
"""An operator's parameters by name."""

Dim = int | None
"""A dimension; None is the batch."""

_LAYOUT = {4: ("channels", "height", "width"), 3: ("tokens", "channels"), 2: ("channels",)}


@dataclass(frozen=True)
class TensorType:
    """A value's shape. With a batch the first dimension is None; a parameter's value has none."""

    shape: tuple[Dim, ...]

    @property
    def batched(self) -> bool:
        """Whether the value depends on the image."""
        return bool(self.shape) and self.shape[0] is None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The dimensions without the batch."""
        return tuple(d for d in self.shape if d is not None)

    @property
    def elements(self) -> int:
        """Number of elements for one image."""
        return prod(self.sizes)

    def __str__(self) -> str:
        return "[" + ", ".join("n" if d is None else str(d) for d in self.shape) + "]"

    def map(self) -> tuple[int, int, int]:
        """Channels, height, width of a map `[n, c, h, w]`; raises CMT-204 for anything else."""
        if len(self.shape) != 4 or not self.batched:
            hint = "a map is [n, channels, height, width]"
            raise ShapeError("CMT-204", f"needs a map, not {self}", hint=hint)
        c, h, w = self.sizes
        return c, h, w

    def attributes(self) -> Attributes:
        """What expressions may read of the value."""
        return Attributes(self)


class Attributes(Mapping[str, int]):
    """A value in an expression: `x.channels`, `x.height`, `x.width`, `x.tokens`, `x.rank`."""

    def __init__(self, type_: TensorType) -> None:
        self._values: dict[str, int] = {"rank": len(type_.shape)}
        if type_.batched:
            names = _LAYOUT.get(len(type_.shape), ())
            self._values |= dict(zip(names, type_.sizes, strict=False))
            if len(type_.shape) == 4:
                self._values["tokens"] = type_.sizes[1] * type_.sizes[2]
        self._values |= {f"dim{i}": d for i, d in enumerate(type_.shape) if d is not None}

    def __getitem__(self, key: str) -> int:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


Init = Literal["zeros", "ones", "normal", "he_fan_out", "trunc_normal_02"]
"""How a parameter starts: `normal` is N(0, 1); `he_fan_out` is N(0, 2 / (out · height · width of the kernel)),
whatever the groups; `trunc_normal_02` is N(0, 0.02²) cut at ±2 (an absolute bound, so hardly ever met)."""


@dataclass(frozen=True)
class Param:
    """A tensor an operator owns: trained, or a running statistic."""

    name: str
    shape: tuple[int, ...]
    init: Init | float
    """By name, or a constant."""
    trainable: bool = True
    decay: bool = False
    """Whether weight decay applies unless a recipe says otherwise: weights yes, norms and biases no."""
    fan_out: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def broadcast(a: TensorType, b: TensorType) -> TensorType:
    """The common shape of two values, aligned at the right; raises CMT-203."""
    left, right = a.shape, b.shape
    n = max(len(left), len(right))
    padded = [(1,) * (n - len(s)) + s for s in (left, right)]
    out: list[Dim] = []
    for i, (x, y) in enumerate(zip(*padded, strict=True)):
        if i and None in (x, y):
            raise ShapeError("CMT-203", f"{a} and {b} do not match: the batch n would meet another axis")
        if x == y or y == 1:
            out.append(x)
        elif x == 1:
            out.append(y)
        else:
            raise ShapeError(
                "CMT-203",
                f"{a} and {b} do not match",
                hint="shapes are aligned at the right; 1 matches anything",
            )
    return TensorType(tuple(out))
