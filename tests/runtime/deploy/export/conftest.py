"""One small checkpoint with statistics that are not those of a fresh model, read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.checkpoint.file import Checkpoint, save_checkpoint
from runtime.checkpoint.load import Imported, load_weights
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.tiny import PICO


def random_statistics(checkpoint: Checkpoint, seed: int = 3) -> Checkpoint:
    """The checkpoint with running statistics of which every one matters."""
    rng, arrays = np.random.default_rng(seed), dict(checkpoint.arrays)
    for path, value in arrays.items():
        if path.endswith("running_mean"):
            arrays[path] = rng.normal(0, 0.3, value.shape).astype(np.float32)
        elif path.endswith("running_var"):
            arrays[path] = rng.uniform(0.5, 2, value.shape).astype(np.float32)
    return replace(checkpoint, arrays=arrays, source="photos", recipe={})


@pytest.fixture(scope="session")
def pico(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the smallest model with all units."""
    path = tmp_path_factory.mktemp("pico") / "pico.safetensors"
    save_checkpoint(path, random_statistics(checkpoint_of(PICO)))
    return path


@pytest.fixture(scope="session")
def found(pico: Path) -> Imported:
    """The same, read."""
    return load_weights(pico)


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that is neither square nor of the model's size."""
    from PIL import Image

    path = tmp_path_factory.mktemp("picture") / "a.png"
    pixels = np.random.default_rng(2).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((65, 45), Image.Resampling.BICUBIC).save(path)
    return path
