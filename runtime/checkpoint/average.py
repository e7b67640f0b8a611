"""One checkpoint out of several of the same model: the weighted mean of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, load_checkpoint
from runtime.checkpoint.statistics import STATISTICS

NOTE = "running statistics were averaged too; they are not those of the averaged weights"


def average_checkpoints(paths: Sequence[str | Path], weights: Sequence[float] | None = None) -> Checkpoint:
    """Σ wᵢ·checkpointᵢ with Σ wᵢ = 1, summed in float64 and stored in the tensors' own type.

    A tensor that all have alike stays bit for bit what it is (frozen layers); one of whole numbers must be such.
    Running statistics are averaged as weights are (Izmailov et al. 2018 re-estimate them by a pass over the
    data; for checkpoints near each other in one run the difference is small). Spec, recipe and class names are
    those of the latest; it has no metrics, as nothing has measured it. CMT-610, 611, 612 and those of reading.
    """
    shares = _shares(len(paths), weights)
    first = latest = load_checkpoint(paths[0])
    sums = {name: np.zeros(value.shape, np.float64) for name, value in first.arrays.items()}
    alike = dict.fromkeys(sums, True)
    made_of = []
    for path, share in zip(paths, shares, strict=True):
        checkpoint = first if path is paths[0] else load_checkpoint(path)
        _require_alike(first, checkpoint, paths[0], path)
        for name, value in checkpoint.arrays.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                message = f"{path}: {name} holds NaN or Inf, of which there is no average"
                raise CmtError("CMT-610", message, hint=f"leave it out; see cmt verify {path}")
            alike[name] &= value.tobytes() == first.arrays[name].tobytes()
            sums[name] += share * value.astype(np.float64)
        made_of.append(
            {"file": str(path), "epoch": checkpoint.epoch, "step": checkpoint.step, "weight": share}
        )
        latest = checkpoint if checkpoint.step > latest.step else latest
    arrays = {}
    for name, value in first.arrays.items():
        if not alike[name] and value.dtype.kind != "f":
            message = f"{name} holds whole numbers that differ between the checkpoints"
            raise CmtError("CMT-611", message, hint="only checkpoints that share them can be averaged")
        arrays[name] = value if alike[name] else sums[name].astype(value.dtype)
    moving = any(name.rsplit(".", 1)[-1] in STATISTICS and not alike[name] for name in arrays)
    return Checkpoint(
        arrays=arrays,
        spec_text=latest.spec_text,
        fingerprint=latest.fingerprint,
        classes=latest.classes,
        recipe=latest.recipe,
        metrics={},
        epoch=latest.epoch,
        step=latest.step,
        source=latest.source,
        versions=latest.versions,
        origin={"by": "cmt average", "from": made_of, **({"note": NOTE} if moving else {})},
    )


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
    types_a, types_b = (
        {name: (value.shape, value.dtype) for name, value in c.arrays.items()} for c in (a, b)
    )
    if types_a != types_b:
        names = sorted(n for n in {**types_a, **types_b} if types_a.get(n) != types_b.get(n))
        message = f"{path_b} has other tensors than {path_a}: {', '.join(names[:3])}"
        raise CmtError("CMT-611", message, hint=hint)
