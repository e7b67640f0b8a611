"""One small model that tells digits, made without training: random features, and a classifier fitted to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl import load
from runtime.checkpoint.file import Checkpoint, save_checkpoint
from runtime.checkpoint.load import Imported, load_weights
from runtime.data.held_out import held_out, view_of
from runtime.data.source import Source
from runtime.data.stores.digits import Digits
from runtime.deploy.quantise.quantise import Quantiser, opened
from runtime.deploy.quantise.ranges import with_outputs
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.tiny import PICO

NORM, HARMFUL = "stages.0.blocks.0.norm2", "stages.0.blocks.0.ffn.expand"


def fitted(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The checkpoint with a classifier that is the least-squares answer to 600 training digits."""
    save_checkpoint(folder / "random.safetensors", checkpoint)
    found = load_weights(folder / "random.safetensors")
    digits = Digits(view_of(load(PICO), {}), None)
    rows = np.arange(600)
    (images,) = digits.train_as_val(rows)
    model = Quantiser(found.program, images, "ort").floats()
    features = opened(with_outputs(model, [model.graph.node[-1].input[0]]), "ort", 600)(images)[0]
    wide = np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(np.float64)
    wanted = 10 * np.eye(10)[digits.train_labels[rows]]
    solved = np.linalg.solve(wide.T @ wide + 1e-3 * np.eye(wide.shape[1]), wide.T @ wanted)
    arrays = dict(checkpoint.arrays)
    arrays["head.fc.weight"] = np.ascontiguousarray(solved[:-1].T, dtype=np.float32)
    arrays["head.fc.bias"] = solved[-1].astype(np.float32)
    return replace(checkpoint, arrays=arrays)


def _checkpoint() -> Checkpoint:
    edits = {"head.args.width": 64}
    made = checkpoint_of(PICO, **edits)
    return replace(made, classes=tuple("0123456789"), recipe={})


@pytest.fixture(scope="session")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's file."""
    folder = tmp_path_factory.mktemp("telling")
    save_checkpoint(folder / "telling.safetensors", fitted(_checkpoint(), folder))
    return folder / "telling.safetensors"


@pytest.fixture(scope="session")
def harmful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one layer that int8 destroys: a huge weight for a channel that is always 0 takes all its steps."""
    folder = tmp_path_factory.mktemp("harmful")
    made = _checkpoint()
    arrays = {path: value.copy() for path, value in made.arrays.items()}
    arrays[f"{NORM}.weight"][0] = arrays[f"{NORM}.bias"][0] = 0
    arrays[f"{HARMFUL}.weight"][:, 0] = 1e4
    made = fitted(replace(made, arrays=arrays), folder)
    save_checkpoint(folder / "harmful.safetensors", made)
    return folder / "harmful.safetensors"


@pytest.fixture(scope="session")
def found(telling: Path) -> Imported:
    return load_weights(telling)


@pytest.fixture(scope="session")
def source(found: Imported) -> Source:
    return held_out("digits", found.model, {}, found.class_names).source
