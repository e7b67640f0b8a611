"""What the numbers in a checkpoint look like: norms, moments, and what is wrong with them, by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cmt_dsl.ir import WeightLevel, block_of, stage_of
from runtime.array import Array

Level = WeightLevel
STATISTICS = ("running_mean", "running_var", "moving_mean", "moving_variance")
"""Last words of names that hold a norm's running statistics: no weights, but they must be finite too."""
VARIANCES = ("running_var", "moving_variance")


@dataclass(frozen=True)
class Statistics:
    """Of the weights of one part. `norm`, `mean`, `std`, `largest` are of its finite trained numbers (float64)."""

    part: str
    tensors: int
    params: int
    """Trained numbers."""
    norm: float
    mean: float
    std: float
    largest: float
    nan: int
    inf: int
    dead: int
    """Output channels of convolutions and linear layers whose weights are all zero."""
    bad_variance: int
    """Running variances that are not above zero."""

    def json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def complaints(self) -> str:
        """What is wrong, in words; "" if nothing is."""
        words = {"NaN": self.nan, "Inf": self.inf, "dead": self.dead, "variance ≤ 0": self.bad_variance}
        return ", ".join(f"{count} {word}" for word, count in words.items() if count)


def part_of(level: Level) -> Callable[[str], str]:
    """A function from a parameter's name to its part: `stages.2`, `stages.2.blocks.4`, or the name itself.

    Names of other projects split in the same way: a word and the number that follows belong together.
    """
    return {"stage": stage_of, "block": block_of, "param": str}[level]


def statistics(arrays: Mapping[str, Array], level: Level) -> list[Statistics]:
    """Statistics by part, in the order of the names given."""
    part = part_of(level)
    parts: dict[str, list[str]] = {}
    for name in arrays:
        parts.setdefault(part(name), []).append(name)
    return [_of_part(key, {name: arrays[name] for name in names}) for key, names in parts.items()]


def total(arrays: Mapping[str, Array]) -> Statistics:
    """Statistics of everything together."""
    return _of_part("total", arrays)


def _of_part(part: str, arrays: Mapping[str, Array]) -> Statistics:
    count = {"trained": 0, "finite": 0, "nan": 0, "inf": 0, "dead": 0, "variance": 0}
    sums = squares = largest = 0.0
    for name, value in arrays.items():
        last = name.rsplit(".", 1)[-1]
        count["dead"] += dead_channels(name, value)
        numbers = value.reshape(-1).astype(np.float64)
        finite = np.isfinite(numbers)
        if not finite.all():
            count["nan"] += int(np.isnan(numbers).sum())
            count["inf"] += int(np.isinf(numbers).sum())
        if last in VARIANCES:
            count["variance"] += int((numbers <= 0).sum())
        if last in STATISTICS:
            continue
        count["trained"] += numbers.size
        numbers = numbers[finite]
        if numbers.size:
            count["finite"] += numbers.size
            sums += float(numbers.sum())
            squares += float(numbers @ numbers)
            largest = max(largest, float(np.abs(numbers).max()))
    n = max(count["finite"], 1)
    mean = sums / n
    return Statistics(
        part=part,
        tensors=len(arrays),
        params=count["trained"],
        norm=squares**0.5,
        mean=mean,
        std=max(squares / n - mean * mean, 0.0) ** 0.5,
        largest=largest,
        nan=count["nan"],
        inf=count["inf"],
        dead=count["dead"],
        bad_variance=count["variance"],
    )


def dead_channels(name: str, value: Array) -> int:
    """Output channels (axis 0) of a layer's weight that are all zero; 0 for anything else."""
    if value.ndim < 2 or name.rsplit(".", 1)[-1] != "weight":
        return 0
    return int((~value.reshape(len(value), -1).any(axis=1)).sum())


def non_finite(value: Array) -> int:
    """How many of the numbers are NaN or infinite."""
    return int(value.size - np.isfinite(value).sum()) if value.dtype.kind == "f" else 0
