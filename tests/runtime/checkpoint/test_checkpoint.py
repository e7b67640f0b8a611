"""Checkpoints: round trip, files that are none, failed writes; test_faults.py has the fault matrix."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, load_checkpoint, save_checkpoint

SAMPLE = Checkpoint(
    arrays={
        "stem.conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
        "head.bias": np.zeros(3, "f4"),
    },
    spec_text="model: tiny\n",
    fingerprint="ab" * 32,
    classes=("Katze", "犬", "c"),
    recipe={"recipe": "r"},
    metrics={"top1": 0.5},
    epoch=3,
    step=66,
    source="digits",
    versions={"numpy": "1.26"},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, SAMPLE)
    return path


def code(path: Path) -> str:
    with pytest.raises(CmtError) as found:
        load_checkpoint(path)
    assert str(path) in str(found.value) and found.value.problems[0].hint
    return found.value.code


def test_round_trip(file: Path) -> None:
    loaded = load_checkpoint(file)
    for name, value in SAMPLE.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], value)
    assert {**vars(loaded), "arrays": 0} == {**vars(SAMPLE), "arrays": 0}
    assert [p.name for p in file.parent.iterdir()] == ["last.safetensors"]


def test_missing(tmp_path: Path) -> None:
    assert code(tmp_path / "none.safetensors") == "CMT-601"


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + b"0" * 100, b"\0" * 64])
def test_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert code(tmp_path / "x") == "CMT-602"


def test_foreign_safetensors(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(2)}, tmp_path / "x")
    assert code(tmp_path / "x") == "CMT-602"


def test_a_newer_format(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.checkpoint.file.FORMAT", 0)
    assert code(file) == "CMT-605"


def test_a_failed_write_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CmtError, match="No space left") as found:
        save_checkpoint(file, SAMPLE)
    assert found.value.code == "CMT-606"
    assert file.read_bytes() == before and len(list(file.parent.iterdir())) == 1
