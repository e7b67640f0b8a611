"""`cmt export --precision int8` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from runtime.device.isa import whole_instruction_set
from tests.cli.cmt import cmt

FEW = ("--precision", "int8", "--data", "digits", "--images", 30, "--limit", 120)


def test_onnx(tmp_path: Path, telling: Path) -> None:
    out = tmp_path / "m.onnx"
    done = cmt("export", telling, "--format", "onnx", "-o", out, *FEW, "--allowed-loss", 5, columns=300)
    assert done.code == 0, done.err
    last = done.out.splitlines()[-1]
    assert (
        "int8, flavour ort, opset 20, batch dynamic" in last
        and "in int8 (120 held-out images, 10 classes)" in last
    )
    told = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    facts = json.loads(told["cmt.int8"])
    assert told["cmt.precision"] == "int8" and told["cmt.flavour"] == "ort"
    assert (facts["images"], facts["method"], facts["seed"]) == (30, "minmax", 0)
    assert "head.fc" in facts["float"] and "stem.conv1" in facts["float"]


def test_openvino_has_a_fixed_batch(tmp_path: Path, telling: Path) -> None:
    import openvino

    out = tmp_path / "m"
    done = cmt(
        "export",
        telling,
        "--format",
        "openvino",
        "-o",
        out,
        *FEW,
        "--batch",
        3,
        "--allowed-loss",
        5,
        "--json",
    )
    assert done.code == 0, done.err
    with whole_instruction_set():
        read = openvino.Core().read_model(out / "model.xml")
    assert read.inputs[0].get_shape()[0] == 3
    assert json.loads(read.get_rt_info(["cmt", "int8"]).astype(str))["weight_bits"] in (7, 8)
    assert any(op.get_type_name() == "FakeQuantize" for op in read.get_ops())
    measured = done.json["int8"]
    assert measured["images_measured"] == 120 and measured["top1"] > 0.7
    free = cmt("export", telling, "--format", "openvino", "-o", tmp_path / "n", *FEW, "--batch", "dynamic")
    assert free.code == 2 and "CMT-850" in free.err and not (tmp_path / "n").exists()


def test_pixels_inside(tmp_path: Path, telling: Path) -> None:
    given = [*FEW, "--allowed-loss", 5, "--preprocess", "--flavour", "openvino", "--json"]
    done = cmt("export", telling, "--format", "onnx", "-o", tmp_path / "m.onnx", *given)
    assert done.code == 0, done.err
    assert done.json["int8"]["top1"] > 0.7 and done.json["batch"] == 1


def test_a_loss_beyond_the_allowed_names_who_costs_it(tmp_path: Path, harmful: Path) -> None:
    out = tmp_path / "m.onnx"
    given = ["--format", "onnx", "-o", out, "--no-optimise", *FEW]
    done = cmt("export", harmful, *given, columns=200)
    assert done.code == 2 and "CMT-855" in done.err, done.out
    assert not out.exists() and not list(tmp_path.iterdir())
    table = [line.split() for line in done.err.splitlines() if "%" in line and "+" in line]
    assert "stages.0.blocks.0.ffn.expand" in done.err and "--keep" in done.err, table
    kept = cmt("export", harmful, *given, "--keep", "stages.0.blocks.0.ffn.expand", "--allowed-loss", 5)
    assert kept.code == 0 and out.exists(), kept.err


def test_sensitivity_of_a_good_one(tmp_path: Path, telling: Path) -> None:
    given = [*FEW, "--allowed-loss", 5, "--sensitivity", "--json", "--keep", "linear", "--keep", "stages.1"]
    done = cmt("export", telling, "--format", "onnx", "-o", tmp_path / "m.onnx", *given)
    parts = {part["name"]: part for part in done.json["int8"]["sensitivity"]}
    assert {"depthwise", "pointwise", "convolution", "stem", "stages.0", "head"} <= set(parts)
    assert "linear" not in parts and all(np.isfinite(part["loss"]) for part in parts.values())


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["--precision", "int8"], "CMT-854"),
        (["--data", "digits"], "CMT-857"),
        (["--keep", "stem"], "CMT-857"),
        (["--precision", "fp16", "--limit", 3], "CMT-857"),
        ([*FEW, "--keep", "nobody"], "CMT-856"),
        ([*FEW, "--flavour", "plain"], "CMT-850"),
    ],
)
def test_refusals(tmp_path: Path, telling: Path, given: list[object], code: str) -> None:
    done = cmt("export", telling, "--format", "onnx", "-o", tmp_path / "m.onnx", *given)
    assert done.code == 2 and code in done.err and not list(tmp_path.iterdir())
