"""A backend is one class, found by name; every verb that computes goes through it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.lower.numpy import run_all
from runtime.checkpoint.file import save_checkpoint
from runtime.checkpoint.load import load_weights
from runtime.cli.app import app
from runtime.infer import backend as found_by_name
from runtime.infer.backend import Backend, Compute, backend, loaded, names, register
from tests.runtime.report.made import checkpoint_of
from tests.tiny import ROOT


class Halved(Backend):
    """The reference's values, halved: thirty lines are a backend."""

    name = "halved"
    loaded_for: list[tuple[str, ...]] = []  # noqa: RUF012

    def load(self, program: Program, outputs: Sequence[str], **how: Any) -> Compute:
        self.loaded_for.append(tuple(outputs))

        def compute(images: np.ndarray) -> list[np.ndarray]:
            values = run_all(program.graph, program.weights, images, list(outputs))
            return [values[path] / 2 for path in outputs]

        return compute


class Absent(Backend):
    """One that lacks something here."""

    name = "absent"

    def missing(self) -> str | None:
        return "its library is not installed (pip install absent)"

    def load(self, program: Program, outputs: Sequence[str], **how: Any) -> Compute:
        raise AssertionError("never loaded")


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(found_by_name, "_registered", dict(found_by_name._registered))
    register(Halved)
    register(Absent)
    Halved.loaded_for.clear()
    yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "m.safetensors"
    save_checkpoint(path, checkpoint_of())
    return path


def cmt(*words: object) -> Any:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def test_a_toy_validates(model: Path) -> None:
    ours = json.loads(cmt("validate", model, "--data", "digits", "--backend", "numpy", "--json").stdout)
    toys = json.loads(cmt("validate", model, "--data", "digits", "--backend", "halved", "--json").stdout)
    assert (ours["backend"], toys["backend"]) == ("numpy", "halved")
    assert ours["top1"] == toys["top1"] and ours["confusion"] == toys["confusion"]  # the same order of logits
    assert ours["images"] == 360 and ours["loss"] != pytest.approx(toys["loss"], rel=1e-3)


def test_a_toy_predicts_and_runs(model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)).save(tmp_path / "a.png")
    said = json.loads(cmt("predict", model, tmp_path / "a.png", "--backend", "halved", "--json").stdout)
    assert said["backend"] == "halved" and len(said["predictions"][0]["guesses"]) == 5
    graph = load_weights(model).graph
    images = np.random.default_rng(0).normal(size=(3, *graph.input.type.sizes)).astype(np.float32)
    np.save(tmp_path / "x.npy", images)
    logits = []
    for name in ("numpy", "halved"):
        out = tmp_path / f"{name}.npy"
        cmt("run", model, "--input", tmp_path / "x.npy", "-o", out, "--backend", name, "--batch", 2)
        logits.append(np.load(out))
    np.testing.assert_array_equal(logits[0] / 2, logits[1])


def test_two_paths_of_one_value_are_computed_once(model: Path, tmp_path: Path) -> None:
    last = load_weights(model).graph.output_of("stages.0")
    paths = ("stages.0", last, "stages.1", "stages.0")
    out = tmp_path / "f.npz"
    at = [word for path in paths[:3] for word in ("--at", path)]
    cmt("features", model, "--data", "digits", "--limit", 4, "-o", out, *at, "--backend", "halved")
    assert len(Halved.loaded_for[-1]) == 2
    with np.load(out) as kept:
        np.testing.assert_array_equal(kept["stages.0"], kept[last])
        assert kept["stages.0"].shape[0] == 4
    found = load_weights(model)
    images = np.zeros((1, *found.graph.input.type.sizes), np.float32)
    values = loaded(backend("numpy"), found.program, paths)(images)
    assert len(values) == 4
    np.testing.assert_array_equal(values[0], values[3])


def test_an_unknown_name_gets_the_list() -> None:
    with pytest.raises(CmtError) as found:
        backend("nunpy")
    assert found.value.code == "CMT-840" and "numpy" in str(found.value)
    with pytest.raises(CmtError, match=r"known: mindspore, numpy, .*halved"):
        backend("q")
    assert {"mindspore", "numpy", "halved"} <= set(names())


def test_one_that_lacks_something_says_what() -> None:
    with pytest.raises(CmtError) as found:
        backend("absent")
    assert found.value.code == "CMT-841"
    assert "pip install absent" in str(found.value) and "--backend" in str(found.value)


def test_a_name_that_a_package_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    class Brought(Halved):
        name = "brought"

    class Entry:
        name = "brought"

        def load(self) -> type[Backend]:
            return Brought

    monkeypatch.setattr(found_by_name.metadata, "entry_points", lambda group: [Entry()])
    assert "brought" in names()
    assert isinstance(backend("brought"), Brought)


def test_the_reference_computes_in_float32_alone(model: Path) -> None:
    with pytest.raises(CmtError) as found:
        loaded(backend("numpy"), load_weights(model).program, precision="float16")
    assert found.value.code == "CMT-804"


def test_the_one_that_the_readme_shows(model: Path) -> None:
    text = (ROOT / "runtime/README.md").read_text(encoding="utf-8")
    exec(text.partition("```python\n")[2].partition("```")[0], {})
    found = load_weights(model)
    images = np.zeros((1, *found.graph.input.type.sizes), np.float32)
    values = [loaded(backend(name), found.program)(images)[0] for name in ("reference", "numpy")]
    np.testing.assert_array_equal(*values)


@pytest.mark.mindspore
@pytest.mark.parametrize("batches", [1, 100], ids=["by operator", "compiled"])
def test_mindspore_computes_what_numpy_does(model: Path, batches: int) -> None:
    found = load_weights(model)
    images = np.random.default_rng(1).normal(size=(2, *found.graph.input.type.sizes)).astype(np.float32)
    paths = ("stages.0", "stages.1", found.graph.output_of("stages.1"), "head")
    by = backend("mindspore")
    values = loaded(by, found.program, paths, batches=batches)(images)
    for mine, expected in zip(values, loaded(backend("numpy"), found.program, paths)(images), strict=True):
        assert np.abs(mine - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    (logits,) = loaded(by, found.program, batches=batches)(images)
    np.testing.assert_allclose(logits, values[-1], rtol=1e-4, atol=1e-5)
    (half,) = loaded(by, found.program, precision="float16", batches=batches)(images)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - logits).max() < 0.02 * np.abs(logits).max()
