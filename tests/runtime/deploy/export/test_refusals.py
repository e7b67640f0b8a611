"""What ends in one clear error, and leaves everything as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cmt_dsl.lower.onnx as lowering
from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import save_checkpoint
from runtime.checkpoint.load import Imported, load_weights
from runtime.deploy.export import onnxfile
from runtime.deploy.export.compare import difference
from runtime.deploy.export.export import export
from runtime.deploy.export.wish import wish
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.runtime.deploy.export.conftest import random_statistics
from tests.tiny import PICO, model_of

MAP = model_of("conv: {op: conv2d, out: 3, kernel: 1, padding: 0}")
"""A model that ends in a map."""


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering that is off by 1 % in every weight."""
    true: Callable[..., Any] = lowering.to_onnx

    def off(program: Any, *form: Any) -> Any:
        return true(replace(program, weights={k: v * 1.01 for k, v in program.weights.items()}), *form)

    monkeypatch.setattr(lowering, "to_onnx", off)


@pytest.mark.parametrize("kind", ["onnx", "openvino", "om"])
@pytest.mark.parametrize("preprocess", [False, True])
@pytest.mark.usefixtures("wrong")
def test_what_computes_something_else_gets_no_name(
    tmp_path: Path, found: Imported, kind: Any, preprocess: bool
) -> None:
    if kind == "om" and preprocess:
        return
    with pytest.raises(CmtError) as caught:
        export(
            found, wish(kind, preprocess=preprocess), tmp_path / ("m" if kind == "openvino" else f"m.{kind}")
        )
    assert caught.value.code == "CMT-852" and "e-0" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("wrong")
def test_the_old_file_stays(tmp_path: Path, pico: Path) -> None:
    (tmp_path / "m.onnx").write_text("old")
    done = cmt("export", pico, "--format", "onnx", "-o", tmp_path / "m.onnx", "--overwrite")
    assert done.code == 2 and "CMT-852" in done.err
    assert (tmp_path / "m.onnx").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_what_is_no_number_is_infinitely_far() -> None:
    good = np.array([[1.0, -2.0, 0.5]])
    chances = np.exp(good) / np.exp(good).sum()
    assert difference(good, good) == 0
    assert difference(good + 0.02, good) == pytest.approx(0.01)
    assert difference(chances, good, probabilities=True) < 1e-12
    assert difference(chances * [1, 1.1, 1], good, probabilities=True) == pytest.approx(np.log(1.1) / 2)
    for bad in (np.full((1, 3), np.nan), np.array([[1, np.inf, 0]]), good[:, :2]):
        assert difference(bad, good) == difference(bad, good, probabilities=True) == np.inf


@pytest.mark.parametrize(
    ("package", "kind", "code"),
    [("onnx", "onnx", "CMT-851"), ("onnx", "openvino", "CMT-851"), ("openvino", "openvino", "CMT-851")],
)
def test_a_missing_package(
    tmp_path: Path, pico: Path, monkeypatch: pytest.MonkeyPatch, package: str, kind: str, code: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    out = tmp_path / ("m" if kind == "openvino" else "m.onnx")
    done = cmt("export", pico, "--format", kind, "-o", out)
    assert done.code == 2 and code in done.err and f"the package {package}" in done.err
    assert "pip install 'cmt-dsl[deploy]'" in done.err and list(tmp_path.iterdir()) == []


def test_a_missing_runtime_is_said(tmp_path: Path, pico: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written, and nothing claimed of its numbers."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = cmt("export", pico, "--format", "onnx", "-o", tmp_path / "m.onnx")
    assert done.code == 0 and "NOT compared: onnxruntime is not installed" in done.out
    assert "difference" not in done.out


def test_hub_needs_no_package(tmp_path: Path, pico: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("onnx", "onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, package, None)
    assert cmt("export", pico, "--format", "hub", "-o", tmp_path / "hub").code == 0


NAMES = [
    ("onnx", "m.bin", "CMT-850", "m.onnx"),
    ("onnx", "m", "CMT-850", "m.onnx"),
    ("mindir", "m.onnx", "CMT-850", "m.mindir"),
    ("om", "m.onnx", "CMT-850", "m.om"),
    ("openvino", "m.xml", "CMT-850", "model.xml"),
    ("hub", "m.safetensors", "CMT-850", "model.safetensors"),
    ("hub", "..", "CMT-850", "no name"),
    ("onnx", "none/m.onnx", "CMT-606", "none"),
    ("onnx", f"{'m' * 300}.onnx", "CMT-606", "cannot write"),
    ("onnx", "there.onnx", "CMT-637", "--overwrite"),
    ("om", "there.om", "CMT-637", "there.onnx"),
    ("hub", "full", "CMT-637", "--overwrite"),
    ("hub", "there", "CMT-637", "a file"),
]


@pytest.mark.parametrize(("kind", "name", "code", "said"), NAMES)
def test_names_that_cannot_be(tmp_path: Path, pico: Path, kind: str, name: str, code: str, said: str) -> None:
    (tmp_path / "there.onnx").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "there").touch()
    before = sorted(tmp_path.iterdir())
    done = cmt("export", pico, "--format", kind, "-o", name, cwd=tmp_path)
    assert done.code == 2 and code in done.err and said in done.err and "Traceback" not in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_nobody_may_write_into(
    tmp_path: Path, found: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CmtError) as caught:
        export(found, wish("onnx"), tmp_path / "m.onnx")
    assert caught.value.code == "CMT-606" and "No space left" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_logits_has_no_probabilities(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", checkpoint_of(MAP))
    whole = load_weights(tmp_path / "c.safetensors")
    with pytest.raises(CmtError) as caught:
        export(whole, wish("onnx", preprocess=True), tmp_path / "m.onnx")
    assert caught.value.code == "CMT-850" and "no logits" in str(caught.value)
    assert export(whole, wish("onnx"), tmp_path / "m.onnx").difference is not None


def test_pixels_have_three_channels(tmp_path: Path) -> None:
    save_checkpoint(
        tmp_path / "c.safetensors", random_statistics(checkpoint_of(PICO, **{"input.channels": 5}))
    )
    whole = load_weights(tmp_path / "c.safetensors")
    with pytest.raises(CmtError) as caught:
        export(whole, wish("onnx", preprocess=True), tmp_path / "m.onnx")
    assert caught.value.code == "CMT-850" and "channels" in str(caught.value)
    assert export(whole, wish("onnx"), tmp_path / "m.onnx").difference is not None


def test_weights_beyond_half(tmp_path: Path, found: Imported) -> None:
    arrays = dict(found.arrays)
    name = next(path for path in arrays if path.endswith(("fc.weight", "classifier.weight")))
    arrays[name] = arrays[name] + np.float32(1e5)
    with pytest.raises(CmtError) as caught:
        export(replace(found, arrays=arrays), wish("onnx", precision="fp16"), tmp_path / "m.onnx")
    assert caught.value.code == "CMT-850" and "65504" in str(caught.value) and list(tmp_path.iterdir()) == []


def test_more_than_a_file_holds(tmp_path: Path, found: Imported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxfile, "MOST", 1000)
    with pytest.raises(CmtError) as caught:
        export(found, wish("onnx"), tmp_path / "m.onnx")
    assert caught.value.code == "CMT-850" and "2 GiB" in str(caught.value) and list(tmp_path.iterdir()) == []


def test_an_exporter_that_fails(tmp_path: Path, found: Imported, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("shapes\n  do not fit")

    monkeypatch.setattr(onnx.checker, "check_model", broken)
    with pytest.raises(CmtError) as caught:
        export(found, wish("onnx"), tmp_path / "m.onnx")
    assert caught.value.code == "CMT-853" and "shapes / do not fit" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
