"""`cmt export` as a user meets it: where the file goes, what is said, which weights are taken."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from runtime.checkpoint.file import load_checkpoint, save_checkpoint
from tests.cli.cmt import cmt


def test_the_default_name_is_beside_the_checkpoint(tmp_path: Path, pico: Path) -> None:
    shutil.copy(pico, tmp_path / "best.safetensors")
    for kind in ("onnx", "openvino", "hub"):
        done = cmt("export", tmp_path / "best.safetensors", "--format", kind)
        assert done.code == 0 and (tmp_path / f"best.{kind}").exists(), done.err


def test_the_summary_is_the_last_line(tmp_path: Path, pico: Path) -> None:
    done = cmt("export", pico, "--format", "onnx", "-o", "m.onnx", "--flavour", "ascend", cwd=tmp_path)
    last = done.out.splitlines()[-1]
    assert last.startswith("m.onnx: ") and "flavour ascend, opset 17, batch 1, folded, " in last
    assert "largest difference " in last and "(allowed 0.0001), 2 random images by onnxruntime" in last
    assert "folding the graph …" in done.out and "comparing with onnxruntime …" in done.out


def test_as_json(tmp_path: Path, pico: Path) -> None:
    done = cmt("export", pico, "--format", "onnx", "-o", tmp_path / "m.onnx", "--no-optimise", "--json")
    told = done.json
    assert (told["batch"], told["opset"], told["optimised"], told["uncompared"]) == (None, 17, False, None)
    assert told["bytes"] == (tmp_path / "m.onnx").stat().st_size and 0 <= told["difference"] <= told["bound"]
    bad = cmt("export", pico, "--format", "onnx", "-o", tmp_path / "m.onnx", "--json")
    assert bad.code == 2 and bad.json["problems"][0]["code"] == "CMT-637"


def test_folding_makes_fewer_nodes(tmp_path: Path, pico: Path) -> None:
    nodes = [
        cmt("export", pico, "--format", "onnx", "-o", tmp_path / f"{how}.onnx", how, "--json").json["nodes"]
        for how in ("--optimise", "--no-optimise")
    ]
    assert nodes[0] < nodes[1]


def test_the_averaged_weights(tmp_path: Path, pico: Path) -> None:
    whole = load_checkpoint(pico)
    path = tmp_path / "e.safetensors"
    ema = {name: np.ascontiguousarray(value * 0.5) for name, value in whole.arrays.items()}
    save_checkpoint(path, replace(whole, ema=ema))
    raw, averaged = (
        cmt("export", path, "--format", "onnx", "-o", tmp_path / f"{w}.onnx", "--weights", w, "--no-optimise")
        for w in ("raw", "ema")
    )
    assert raw.code == averaged.code == 0 and "took 'ema'" in averaged.out
    values = [
        {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / f"{w}.onnx").graph.initializer}
        for w in ("raw", "ema")
    ]
    (name,) = [name for name in values[0] if name.startswith("stem.conv1.weight")]
    assert np.allclose(values[1][name], 0.5 * values[0][name])


def test_class_names_that_are_given(tmp_path: Path, pico: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"sort {i}\n" for i in range(10)))
    done = cmt("export", pico, "--format", "onnx", "-o", tmp_path / "m.onnx", "--classes", names)
    assert done.code == 0
    told = {entry.key: entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert '"sort 9"' in told["cmt.classes"]
    names.write_text("one\n")
    done = cmt("export", pico, "--format", "onnx", "-o", tmp_path / "n.onnx", "--classes", names)
    assert done.code == 2 and "CMT-511" in done.err


@pytest.mark.parametrize("given", [["--precision", "bf16"], ["--opset", "3"], ["--batch", "none"]])
def test_a_wish_is_refused_before_the_checkpoint_is_read(tmp_path: Path, given: list[str]) -> None:
    done = cmt("export", tmp_path / "gone", "--format", "onnx", "-o", tmp_path / "m.onnx", *given)
    assert done.code == 2 and "CMT-850" in done.err and "gone" not in done.err
