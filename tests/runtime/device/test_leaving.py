"""The doctor's rows about deployment: versions and places, or what is missing and how to get it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from runtime.device import leaving


def test_what_is_here() -> None:
    rows = {name: (here, works) for name, here, works, _ in leaving.runtimes()}
    assert rows.keys() == {"onnx", "onnxruntime", "openvino", "atc"}
    for name in ("onnxruntime", "openvino"):
        assert rows[name][1] and "on CPU" in rows[name][0]


def test_what_is_absent_or_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "find_spec", lambda name: None if name == "onnx" else SimpleNamespace())

    def broken(name: str) -> None:
        raise ImportError(f"libfoo of {name} is missing\nand more")

    monkeypatch.setattr(leaving.importlib, "import_module", broken)
    rows = {name: (here, works, fix) for name, here, works, fix in leaving.runtimes()}
    assert rows["onnx"] == (
        "absent",
        False,
        "pip install 'cmt-dsl[deploy]' to export models and to compute by onnx",
    )
    assert rows["openvino"][0] == "does not work: libfoo of openvino is missing"
    assert not rows["openvino"][1] and "reinstall openvino" in rows["openvino"][2]
