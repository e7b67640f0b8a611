"""Ascend's .om: by a stand-in for atc, or without one the ONNX file and the command to type."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import onnx
import pytest

from tests.cli.cmt import cmt

GOOD = 'for word; do case $word in --output=*) printf om >"${word#--output=}.om";; esac; done'
NAMED = GOOD.replace("}.om", "}_linux_x86_64.om")
SILENT = "exit 0"
BAD = "echo ATC start working now; for i in 1 2 3 4 5 6 7 8; do echo line $i; done; echo E10001: no such soc >&2; exit 1"


@pytest.fixture
def atc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for atc is put that is first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "atc"


def stand_in(atc: Path, does: str) -> None:
    atc.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >'{atc.parent}/called'\n{does}\n")
    atc.chmod(0o755)


@pytest.mark.parametrize("does", [GOOD, NAMED])
def test_atc_makes_it(tmp_path: Path, pico: Path, atc: Path, does: str) -> None:
    stand_in(atc, does)
    out = tmp_path / "m.om"
    done = cmt(
        "export", pico, "--format", "om", "-o", out, "--batch", "4", "--soc-version", "Ascend310P3", "--json"
    )
    assert done.code == 0, done.err
    assert out.read_text() == "om" and done.json["beside"] == [str(tmp_path / "m.onnx")]
    assert "not compared" in " ".join(done.json["notes"]) and done.json["difference"] < 1e-5
    words = (atc.parent / "called").read_text().splitlines()
    assert "--framework=5" in words and "--input_shape=images:4,3,16,16" in words
    assert "--soc_version=Ascend310P3" in words and "--precision_mode=force_fp16" in words
    model = onnx.load(tmp_path / "m.onnx")
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert {e.key: e.value for e in model.metadata_props}["cmt.flavour"] == "ascend"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "m.om", "m.onnx"]


def test_without_atc(tmp_path: Path, pico: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No claim: it says that there is no .om, and what to type where atc is; the ONNX file is ready."""
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "m.om"
    done = cmt(
        "export", pico, "--format", "om", "-o", out, "--precision", "fp32", "--soc-version", "Ascend910B4"
    )
    assert done.code == 0, done.err
    assert not out.exists() and f"{out} was NOT made" in done.out
    (line,) = [line for line in done.out.splitlines() if line.lstrip().startswith("atc ")]
    words = shlex.split(line)
    assert f"--model={tmp_path / 'm.onnx'}" in words and f"--output={tmp_path / 'm'}" in words
    assert "--precision_mode=must_keep_origin_dtype" in words and "--soc_version=Ascend910B4" in words
    assert f"{tmp_path / 'm.onnx'}: " in done.out.splitlines()[-1]
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    named = cmt("export", pico, "--format", "om", "-o", out, "--overwrite", "--json")
    assert "npu-smi" in json.dumps(named.json["notes"])


@pytest.mark.parametrize(
    ("does", "said"),
    [(BAD, "line 4 / line 5 / line 6 / line 7 / line 8 / E10001: no such soc"), (SILENT, "without a file")],
)
def test_atc_fails(tmp_path: Path, pico: Path, atc: Path, does: str, said: str) -> None:
    stand_in(atc, does)
    done = cmt("export", pico, "--format", "om", "-o", tmp_path / "m.om", "--soc-version", "Ascend310P3")
    assert done.code == 2 and "CMT-853" in done.err and said in done.err and "start working" not in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["bin"]


def test_atc_has_to_know_the_processor(tmp_path: Path, pico: Path, atc: Path) -> None:
    stand_in(atc, GOOD)
    done = cmt("export", pico, "--format", "om", "-o", tmp_path / "m.om")
    assert done.code == 2 and "CMT-850" in done.err and "--soc-version" in done.err
    assert not (atc.parent / "called").exists()
