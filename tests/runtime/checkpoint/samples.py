"""Checkpoints of real models with weights drawn from a seed, made without a framework."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl import build, load, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.file import Checkpoint, load_checkpoint, save_checkpoint
from tests.tiny import model_of

SMALL = model_of("conv: {op: conv2d, out: 3, kernel: 1, padding: 0}\nnorm: {op: batch_norm}")
"""A model of two operators: its file is about 2 KB, so that every byte of it can be tried."""


def checkpoint_of(spec: str = "cmt_nano", seed: int = 0, **edits: Any) -> Checkpoint:
    """A checkpoint of a shipped model with `edits`, or of a model given as text."""
    model = load_text(spec, set=edits) if "\n" in spec else load(spec, set=edits)
    graph = build(model)
    return Checkpoint(
        arrays=initial(graph, seed),
        spec_text=model.resolved(),
        fingerprint=graph.fingerprint,
        classes=tuple(f"Klasse {i} «犬»" for i in range(model.classes)),
        recipe={"recipe": "digits", "train": {"epochs": 3, "batch": 32}},
        metrics={"top1": 0.5, "loss": 1.25},
        epoch=3,
        step=66 + seed,
        source="digits",
        versions={"cmt-dsl": "0.1.0"},
    )


def saved(path: Path, checkpoint: Checkpoint | None = None, **arrays: np.ndarray) -> Path:
    """The checkpoint (default: of SMALL) in a file, with other arrays under some names (`__` for a dot)."""
    whole = checkpoint_of(SMALL) if checkpoint is None else checkpoint
    changed = {**whole.arrays, **{name.replace("__", "."): value for name, value in arrays.items()}}
    save_checkpoint(path, replace(whole, arrays=changed))
    return path


def refusal(path: Path) -> CmtError:
    """The error that reading the file ends in; it names the file and says what to do."""
    with pytest.raises(CmtError) as found:
        load_checkpoint(path)
    assert str(path) in str(found.value) and found.value.problems[0].hint
    return found.value
