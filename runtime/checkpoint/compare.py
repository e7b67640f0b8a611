"""How far two checkpoints are apart, block by block, and what else differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.diff.values import changes_of
from cmt_dsl.spec.tree import plain, read_text
from runtime.array import Array
from runtime.checkpoint.file import Checkpoint, load_checkpoint
from runtime.checkpoint.statistics import Level, part_of


@dataclass(frozen=True)
class Distance:
    """Of one part, over the tensors that both files have in the same shape."""

    part: str
    tensors: int
    equal: int
    """Tensors equal bit for bit."""
    relative: float | None
    """‖A − B‖₂ / ‖A‖₂ in float64; None where A is zero and B is not, or where a number is not finite."""
    largest: float | None
    """Largest absolute difference of two numbers."""
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    other_shape: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        return vars(self).copy()

    @property
    def same(self) -> bool:
        return self.equal == self.tensors and not (self.only_a or self.only_b or self.other_shape)


@dataclass(frozen=True)
class Distances:
    """Of one set of weights: in all, and by part."""

    total: Distance
    parts: tuple[Distance, ...]

    def json(self) -> dict[str, Any]:
        return {"total": self.total.json(), "parts": [part.json() for part in self.parts]}


@dataclass(frozen=True)
class Comparison:
    """Distances of the raw weights; `facts` are the header fields that differ, by path: (A's, B's)."""

    raw: Distances
    ema: Distances | None
    """Of the averaged weights, where both files have them."""
    facts: dict[str, tuple[Any, Any]]

    @property
    def equal(self) -> bool:
        """Whether both hold the same weights, and the same computes with them."""
        same = self.raw.total.same and (self.ema is None or self.ema.total.same)
        return same and not {"fingerprint", "weights"} & self.facts.keys()

    def json(self) -> dict[str, Any]:
        return {
            "equal": self.equal,
            **self.raw.json(),
            "ema": self.ema.json() if self.ema else None,
            "facts": {path: list(pair) for path, pair in self.facts.items()},
        }


def diff_checkpoints(a: str | Path, b: str | Path, level: Level = "block") -> Comparison:
    """Compare two checkpoint files; CMT-6xx if one cannot be read."""
    return compare(load_checkpoint(a), load_checkpoint(b), level)


def compare(a: Checkpoint, b: Checkpoint, level: Level = "block") -> Comparison:
    """Distances of all tensors by part, and the differing facts of the headers."""
    both = a.ema is not None and b.ema is not None
    ema = _distances(a.weights("ema"), b.weights("ema"), level) if both else None
    return Comparison(_distances(a.arrays, b.arrays, level), ema, _facts(a, b))


def _distances(a: Mapping[str, Array], b: Mapping[str, Array], level: Level) -> Distances:
    part = part_of(level)
    parts: dict[str, list[str]] = {}
    for name in {**a, **b}:
        parts.setdefault(part(name), []).append(name)
    return Distances(
        _distance("total", list({**a, **b}), a, b),
        tuple(_distance(key, names, a, b) for key, names in parts.items()),
    )


def _distance(part: str, names: list[str], a: Mapping[str, Array], b: Mapping[str, Array]) -> Distance:
    both = [n for n in names if n in a and n in b]
    fitting = [n for n in both if a[n].shape == b[n].shape]
    equal, gap, size, largest = 0, 0.0, 0.0, 0.0
    for name in fitting:
        x, y = a[name], b[name]
        size += _squares(x)
        if x.dtype == y.dtype and x.tobytes() == y.tobytes():
            equal += 1
            continue
        with np.errstate(invalid="ignore"):  # Inf − Inf
            difference = x.reshape(-1).astype(np.float64) - y.reshape(-1).astype(np.float64)
        gap += float(difference @ difference)
        largest = max(largest, float(np.abs(difference).max()), key=lambda v: (v != v, v))  # NaN stays
    relative: float | None = None
    if gap == 0:
        relative = 0.0
    elif size > 0 and np.isfinite(gap) and np.isfinite(size):
        relative = (gap / size) ** 0.5
    return Distance(
        part=part,
        tensors=len(names),
        equal=equal,
        relative=relative,
        largest=largest if np.isfinite(largest) else None,
        only_a=tuple(n for n in names if n not in b),
        only_b=tuple(n for n in names if n not in a),
        other_shape=tuple(n for n in both if a[n].shape != b[n].shape),
    )


def _squares(value: Array) -> float:
    numbers = value.reshape(-1).astype(np.float64)
    return float(numbers @ numbers)


def _facts(a: Checkpoint, b: Checkpoint) -> dict[str, tuple[Any, Any]]:
    """Fields of the headers that differ: of the spec and the recipe value by value."""

    def told(checkpoint: Checkpoint) -> dict[str, Any]:
        return {
            "weights": " and ".join(checkpoint.sets),
            "fingerprint": checkpoint.fingerprint,
            "spec": plain(read_text(checkpoint.spec_text, "<checkpoint>")),
            "recipe": checkpoint.recipe,
            "classes": list(checkpoint.classes),
            "source": checkpoint.source,
            "epoch": checkpoint.epoch,
            "step": checkpoint.step,
            "metrics": checkpoint.metrics,
            "versions": checkpoint.versions,
            "origin": checkpoint.origin,
        }

    changes = changes_of(told(a), told(b), unsaid=("doc",))
    return {f"{part}.{key}" if part else key: (x, y) for part, key, x, y in changes}
