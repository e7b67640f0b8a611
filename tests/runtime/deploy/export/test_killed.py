"""Killed at any moment: the old one or the new one lies under the name, whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runtime.deploy.export.place import place, staging
from tests.tiny import ROOT


def killing(how: str, checkpoint: Path, folder: Path) -> Any:
    command = [sys.executable, "-m", "tests.runtime.deploy.export.killing", how, str(checkpoint), str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("how", ["file", "folder"])
def test_before_every_line(tmp_path: Path, pico: Path, how: str) -> None:
    found = killing(how, pico, tmp_path)
    assert set(found["held"]) == {"old", "new"} and found["held"]["old"] > 10 and found["held"]["new"] > 1
    assert found["lines"] > 30
    assert found["left"] == found["most"] == 1  # what a killed one leaves goes with the next


def test_real_exports_at_random(tmp_path: Path, pico: Path) -> None:
    found = killing("random", pico, tmp_path)
    assert found["found"]["killed"] == found["found"]["whole"] == 10 and found["found"]["left"] > 0
    assert found["names"] == ["hub", "m.onnx"]


def test_a_living_one_is_left_alone(tmp_path: Path) -> None:
    """Two exports to one name: neither takes the other's hidden folder for a left one."""
    out = tmp_path / "m[1].onnx"
    with staging(out) as first, staging(out) as second:
        assert first != second and first.is_dir()
        for folder, text in ((second, "second"), (first, "first")):
            (folder / out.name).write_text(text)
            place(folder / out.name, out)
    assert out.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == [out.name]


def test_a_left_one_goes(tmp_path: Path) -> None:
    out = tmp_path / "m[1].onnx"
    (tmp_path / ".m[1].onnx.abcdefgh").mkdir()
    (tmp_path / ".other.onnx.abcdefgh").mkdir()
    with staging(out):
        names = {p.name for p in tmp_path.iterdir()}
    assert ".m[1].onnx.abcdefgh" not in names and ".other.onnx.abcdefgh" in names


def test_many_at_once(tmp_path: Path) -> None:
    out, errors = tmp_path / "x", []

    def exports(text: str) -> None:
        try:
            for _ in range(20):
                with staging(out) as hidden:
                    (hidden / "x").mkdir()
                    (hidden / "x/a").write_text(text)
                    place(hidden / "x", out)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=exports, args=(text,)) for text in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (out / "a").read_text() in "ab"
