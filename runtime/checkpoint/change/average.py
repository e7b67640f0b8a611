"""One checkpoint out of several of the same model: the weighted mean of their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.checkpoint.file import AVERAGED, Checkpoint, load_checkpoint
from runtime.checkpoint.statistics import STATISTICS
from runtime.sharing import names_of

NOTE = "running statistics were averaged too; they are not those of the averaged weights"


def average_checkpoints(paths: Sequence[str | Path], weights: Sequence[float] | None = None) -> Checkpoint:
    """Σ wᵢ·checkpointᵢ with Σ wᵢ = 1, summed in float64 and stored in the tensors' own type.

    Moving averages are averaged too if all have them, otherwise left out, which `origin` says. A tensor that all have
    alike stays bit for bit what it is (frozen layers); one of whole numbers must be such.
    Running statistics are averaged as weights are (Izmailov et al. 2018 re-estimate them by a pass over the
    data; for checkpoints near each other in one run the difference is small). Spec, recipe and class names are
    those of the latest; it has no metrics, as nothing has measured it. CMT-610, 611, 612 and those of reading.
    """
    shares = _shares(len(paths), weights)
    first = latest = load_checkpoint(paths[0])
    means = {which: _Mean(first.weights(which)) for which in first.sets}
    averaged = 0
    made_of = []
    for path, share, called in zip(paths, shares, names_of(paths), strict=True):
        checkpoint = first if path is paths[0] else load_checkpoint(path)
        _require_alike(first, checkpoint, paths[0], path)
        averaged += checkpoint.ema is not None
        for which in means.keys() & checkpoint.sets.keys():
            means[which].add(checkpoint.weights(which), share, path, "" if which == "raw" else AVERAGED)
        made_of.append({"file": called, "epoch": checkpoint.epoch, "step": checkpoint.step, "weight": share})
        latest = checkpoint if checkpoint.step > latest.step else latest
    made = {which: mean.arrays() for which, mean in means.items() if which == "raw" or averaged == len(paths)}
    notes = [NOTE] if any(mean.moved for which, mean in means.items() if which in made) else []
    if 0 < averaged < len(paths):
        notes.append(f"moving averages are left out: {averaged} of {len(paths)} have them")
    return Checkpoint(
        arrays=made["raw"],
        ema=made.get("ema"),
        spec_text=latest.spec_text,
        fingerprint=latest.fingerprint,
        classes=latest.classes,
        recipe=latest.recipe,
        metrics={},
        epoch=latest.epoch,
        step=latest.step,
        source=latest.source,
        versions=latest.versions,
        origin={"by": "cmt average", "from": made_of, **({"note": "; ".join(notes)} if notes else {})},
    )


class _Mean:
    """A weighted sum of arrays like `first`, by name."""

    def __init__(self, first: Mapping[str, Array]) -> None:
        self._first = first
        self._sums = {name: np.zeros(value.shape, np.float64) for name, value in first.items()}
        self._alike = dict.fromkeys(first, True)

    def add(self, arrays: Mapping[str, Array], share: float, path: str | Path, mark: str) -> None:
        for name, value in arrays.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                message = f"{path}: {mark}{name} holds NaN or Inf, of which there is no average"
                raise CmtError("CMT-610", message, hint=f"leave it out; see cmt verify {path}")
            self._alike[name] &= value.tobytes() == self._first[name].tobytes()
            self._sums[name] += share * value.astype(np.float64)

    @property
    def moved(self) -> bool:
        """Whether running statistics differed."""
        return any(name.rsplit(".", 1)[-1] in STATISTICS and not self._alike[name] for name in self._first)

    def arrays(self) -> dict[str, Array]:
        found = {}
        for name, value in self._first.items():
            if not self._alike[name] and value.dtype.kind != "f":
                message = f"{name} holds whole numbers that differ between the checkpoints"
                raise CmtError("CMT-611", message, hint="only checkpoints that share them can be averaged")
            found[name] = value if self._alike[name] else self._sums[name].astype(value.dtype)
        return found


def _shares(count: int, weights: Sequence[float] | None) -> list[float]:
    if count < 2:
        raise CmtError("CMT-612", "one checkpoint has no average", hint="give two or more")
    if weights is None:
        return [1 / count] * count
    if len(weights) != count:
        raise CmtError("CMT-612", f"{len(weights)} weights for {count} checkpoints", hint="give one for each")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        message = f"the weights {', '.join(f'{w:g}' for w in weights)} are no shares of a whole"
        raise CmtError("CMT-612", message, hint="give numbers of at least 0 that are not all 0")
    return [w / sum(weights) for w in weights]


def _require_alike(a: Checkpoint, b: Checkpoint, path_a: str | Path, path_b: str | Path) -> None:
    hint = f"cmt diff {path_a} {path_b} tells how they differ"
    if a.fingerprint != b.fingerprint:
        message = f"{path_b} holds graph {b.fingerprint[:12]}, {path_a} {a.fingerprint[:12]}"
        raise CmtError("CMT-611", message, hint=hint)
    if a.classes != b.classes:
        raise CmtError("CMT-611", f"{path_b} has other classes than {path_a}", hint=hint)
    for which in a.sets.keys() & b.sets.keys():
        types_a, types_b = (
            {name: (value.shape, value.dtype) for name, value in c.weights(which).items()} for c in (a, b)
        )
        if types_a != types_b:
            names = sorted(n for n in {**types_a, **types_b} if types_a.get(n) != types_b.get(n))
            message = f"{path_b} has other tensors than {path_a}: {', '.join(names[:3])}"
            raise CmtError("CMT-611", message, hint=hint)
