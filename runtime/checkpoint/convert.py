"""Weights to files: of the official code, MindCV and this project, without loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from cmt_dsl.errors import CmtError
from runtime.atomic import write_atomically
from runtime.checkpoint.file import Checkpoint, save_checkpoint
from runtime.checkpoint.formats.torchwrite import write_torch
from runtime.checkpoint.load import COUNTERS, Imported
from runtime.checkpoint.recognise import NAMINGS, counters_of, names_of
from runtime.versions import versions

TARGETS = {
    "native": ".safetensors",
    "official": ".pth",
    "mindcv": ".ckpt",
    "ckpt": ".ckpt",
    "safetensors": ".safetensors",
}
"""What can be written, and how such files end."""


def write_weights(path: Path, weights: Imported, to: str, names: str = "official") -> int:
    """Write as one of TARGETS; the number of tensors. CMT-635 when the target means another profile, CMT-402, 606."""
    graph, arrays = weights.graph, weights.arrays
    profile = weights.model.profile.profile
    if to in ("official", "mindcv") and profile != to:
        raise CmtError(
            "CMT-635",
            f"the weights are of profile {profile}; a file of {NAMINGS[to]} computes with profile {to}",
            hint=f"--profile {to} converts, and says what changes",
        )
    if to == "native":
        save_checkpoint(path, native_checkpoint(weights))
        return len(arrays)
    naming = {"ckpt": "cell", "safetensors": names}.get(to, to)
    named = {theirs: arrays[ours] for ours, theirs in names_of(graph, naming).items()}
    if to == "official":
        for ours, theirs in counters_of(graph, naming).items():
            named[theirs] = np.array(weights.counters.get(ours, 0), np.int64)
        write_torch(path, named)
    elif to == "safetensors":
        write_atomically(path, save({k: np.asarray(v, order="C") for k, v in named.items()}))
    else:
        from runtime.checkpoint.formats.mindfile import write_mindspore

        write_mindspore(path, named)
    return len(named)


def native_checkpoint(weights: Imported) -> Checkpoint:
    """What a native file of these weights holds."""
    model, graph = weights.model, weights.graph
    text, print_ = model.resolved(), graph.fingerprint
    if weights.checkpoint is not None:
        old = weights.checkpoint
        return replace(
            old,
            arrays=weights.arrays,
            classes=weights.class_names,
            ema=None,  # one set was chosen
            spec_text=text,
            fingerprint=print_,
            metrics=_of_set(old.metrics, weights.which) if old.fingerprint == print_ else {},
            origin={**old.origin, "weights": "ema"} if weights.which == "ema" else old.origin,
            versions=versions(),
        )
    metrics: dict[str, Any] = {COUNTERS: weights.counters} if weights.counters else {}
    return Checkpoint(
        weights.arrays,
        text,
        print_,
        weights.class_names,
        {},
        metrics,
        epoch=0,
        step=0,
        source=weights.source,
        versions=versions(),
    )


def _of_set(metrics: dict[str, Any], which: str) -> dict[str, Any]:
    """What was measured of one set of weights: `ema_top1` becomes `top1` for those of the average."""
    if which == "raw":
        return {name: value for name, value in metrics.items() if not name.startswith("ema_")}
    return {
        name.removeprefix("ema_"): v
        for name, v in metrics.items()
        if name.startswith("ema_") or name == COUNTERS
    }


def default_out(path: Path, to: str) -> Path:
    """FILE with the target's ending, made different from FILE itself."""
    out = path.with_suffix(TARGETS[to])
    return out if out != path else path.with_name(f"{path.stem}.{to}{TARGETS[to]}")
