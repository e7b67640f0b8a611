"""The verbs `run` and `features`, as a user starts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl import build, features, load, pyramid, run
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.convert import write_weights
from runtime.checkpoint.load import Imported
from tests.cli.cmt import cmt

MODEL = load("cmt_nano", set={"input.channels": 1})
GRAPH = build(MODEL)
WEIGHTS = initial(GRAPH, 0)
IMAGES = np.random.RandomState(0).randn(5, 1, 32, 32).astype(np.float32)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "n.safetensors"
    write_weights(path, Imported(MODEL, GRAPH, WEIGHTS, "test", (), {}), "native")
    return path


@pytest.mark.parametrize("backend", ["numpy", pytest.param("mindspore", marks=pytest.mark.mindspore)])
def test_run_gives_the_logits_in_batches(checkpoint: Path, backend: str) -> None:
    np.save(checkpoint.parent / "x.npy", IMAGES)
    out = checkpoint.parent / "y.npy"
    args = ["--input", checkpoint.parent / "x.npy", "-o", out, "--backend", backend, "--batch", 2, "--json"]
    done = cmt("run", checkpoint, *args)
    assert done.code == 0, done.err
    logits = np.load(out)
    assert done.json["shape"] == [5, 10] and logits.dtype == np.float32
    np.testing.assert_allclose(logits, run(GRAPH, WEIGHTS, IMAGES), atol=1e-4)


@pytest.mark.parametrize(
    ("images", "code", "word"),
    [
        (IMAGES.astype(np.float64), "CMT-638", "float64"),
        (IMAGES[0], "CMT-403", "[1, 32, 32]"),
        (IMAGES[:0], "CMT-403", "[0, 1, 32, 32]"),
        (np.zeros((1, 3, 32, 32), np.float32), "CMT-403", "[n, 1, 32, 32]"),
        (np.array([{"a": 1}], dtype=object), "CMT-638", "not a .npy"),
        (b"hello", "CMT-638", "not a .npy"),
        (None, "CMT-638", "No such file"),
    ],
)
def test_run_says_what_is_wrong_with_the_input(checkpoint: Path, images: Any, code: str, word: str) -> None:
    file = checkpoint.parent / "x.npy"
    if isinstance(images, bytes):
        file.write_bytes(images)
    elif images is not None:
        np.save(file, images)
    done = cmt("run", checkpoint, "--input", file, "-o", checkpoint.parent / "y.npy", "--backend", "numpy")
    assert done.code == 2 and code in done.err and word in done.err
    assert not (checkpoint.parent / "y.npy").exists()


def test_features_of_any_place_by_numpy(checkpoint: Path) -> None:
    out = checkpoint.parent / "f.npz"
    at = ["--at", "stages.1", "--at", "stages.2.blocks.0.attn", "--at", "head"]
    done = cmt(
        "features",
        checkpoint,
        "--data",
        "digits",
        *at,
        "--limit",
        7,
        "--batch",
        4,
        "--out",
        out,
        "--backend",
        "numpy",
    )
    assert done.code == 0, done.err
    found = np.load(out, allow_pickle=False)
    assert {k: found[k].shape for k in found} == {
        "stages.1": (7, 48, 4, 4), "stages.2.blocks.0.attn": (7, 96, 2, 2), "head": (7, 10), "labels": (7,), "classes": (10,),
    }  # fmt: skip
    assert found["stages.1"].std() > 0


def test_features_averaged(checkpoint: Path) -> None:
    out = checkpoint.parent / "f.npz"
    done = cmt(
        "features",
        checkpoint,
        "--data",
        "digits",
        "--limit",
        2,
        "--pool",
        "--out",
        out,
        "--backend",
        "numpy",
        "--json",
    )
    assert done.code == 0, done.err
    assert done.json["shapes"] == {"stages.0": [2, 24], "stages.1": [2, 48], "stages.2": [2, 96]}


def test_an_unknown_place_is_named_before_work_starts(checkpoint: Path) -> None:
    done = cmt(
        "features", checkpoint, "--data", "digits", "--at", "stages.7", "--out", checkpoint.parent / "f.npz"
    )
    assert done.code == 2 and "CMT-404" in done.err and "stages.2" in done.err


@pytest.mark.mindspore
def test_the_pyramid_of_a_cell_is_the_references(checkpoint: Path) -> None:
    import mindspore as ms

    from cmt_dsl import to_cell

    ms.set_context(mode=ms.GRAPH_MODE)
    cell = to_cell(GRAPH, weights=WEIGHTS, outputs=("stem", *pyramid(GRAPH)))
    cell.set_train(False)
    found = cell(ms.Tensor(IMAGES))
    expected = features(GRAPH, WEIGHTS, IMAGES, ("stem", *pyramid(GRAPH)))
    assert [value.shape[-1] for value in found] == [16, 8, 4, 2]  # strides 2, 4, 8, 16
    for value, reference in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(value.asnumpy(), reference, atol=1e-4)
    assert not [name for name in cell.parameters_dict() if name.startswith("head")]


@pytest.mark.mindspore
def test_converted_weights_are_validated_without_a_recipe(checkpoint: Path) -> None:
    done = cmt("validate", checkpoint, "--data", "digits", "--json")
    assert done.code == 0, done.err
    assert done.json["images"] == 360 and done.json["top1"] < 0.5
