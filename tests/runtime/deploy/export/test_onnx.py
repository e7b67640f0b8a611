"""ONNX files: what they compute, what they say of themselves, and who reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from cmt_dsl import build, load_text
from runtime.checkpoint.file import save_checkpoint
from runtime.checkpoint.load import Imported, load_weights
from runtime.deploy.export.compare import BOUNDS, difference
from runtime.deploy.export.export import export
from runtime.deploy.export.facts import preprocessing
from runtime.deploy.export.inside import chances, normalised
from runtime.deploy.export.wish import wish
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.runtime.deploy.export.conftest import random_statistics
from tests.tiny import PICO, ROOT


def computed(path: Path, images: Any) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


@pytest.mark.parametrize("flavour", ["plain", "ort", "openvino", "ascend"])
@pytest.mark.parametrize("optimise", [True, False])
@pytest.mark.parametrize("opset", [17, 18])
def test_every_form_computes_the_same(
    tmp_path: Path, found: Imported, flavour: Any, optimise: bool, opset: int
) -> None:
    batch = "3" if flavour == "ascend" else None
    out = tmp_path / "m.onnx"
    made = export(found, wish("onnx", flavour=flavour, optimise=optimise, opset=opset, batch=batch), out)
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import if not o.domain] == [("", opset)]
    assert made.nodes == len(model.graph.node) and made.size == out.stat().st_size
    assert made.difference is not None and made.difference.largest < 1e-5
    images = np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)
    from cmt_dsl import run

    assert difference(computed(out, images), run(found.graph, found.arrays, images)) < 1e-5
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_newest_opset_and_free_batch(tmp_path: Path, found: Imported) -> None:
    export(found, wish("onnx", opset=22), tmp_path / "m.onnx")
    for count in (1, 5):
        images = np.zeros((count, 3, 16, 16), np.float32)
        assert computed(tmp_path / "m.onnx", images).shape == (count, 10)


def test_what_it_says_of_itself(tmp_path: Path, found: Imported) -> None:
    out = tmp_path / "m.onnx"
    export(found, wish("onnx", flavour="ort"), out)
    model = onnx.load(out)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert build(load_text(told["cmt.spec"])).fingerprint == found.graph.fingerprint
    assert told["cmt.fingerprint"] == found.graph.fingerprint
    assert json.loads(told["cmt.classes"]) == list(found.class_names)
    how = json.loads(told["cmt.preprocessing"])
    assert how["size"] == [16, 16] and how["mean"] == [0.485, 0.456, 0.406] and 0.5 < how["crop"] <= 1
    assert (told["cmt.flavour"], told["cmt.precision"], told["cmt.input"]) == ("ort", "fp32", "float32 NCHW")
    assert model.producer_name == "cmt-dsl"


def test_half_precision(tmp_path: Path, found: Imported) -> None:
    """Half the bytes, float32 outside, and within a bound that float32 would not need."""
    sizes = {p: export(found, wish("onnx", precision=p), tmp_path / f"{p}.onnx") for p in ("fp32", "fp16")}
    apart = sizes["fp16"].difference
    assert apart is not None and 1e-5 < apart.largest < BOUNDS["fp16"]
    model = onnx.load(tmp_path / "fp16.onnx")
    kinds = {t.data_type for t in model.graph.initializer if np.prod(t.dims) > 64}
    assert onnx.TensorProto.FLOAT16 in kinds
    ends = [*model.graph.input, *model.graph.output]
    assert {v.type.tensor_type.elem_type for v in ends} == {onnx.TensorProto.FLOAT}
    onnx.checker.check_model(model, full_check=True)
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    types = {v.name: v.type.tensor_type.elem_type for v in typed.graph.value_info}
    wide = {types[n.output[0]] for n in model.graph.node if n.op_type in ("Softmax", "LayerNormalization")}
    assert wide == {onnx.TensorProto.FLOAT}
    assert {types[n.output[0]] for n in model.graph.node if n.op_type == "Conv"} == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_preprocessing_inside(tmp_path: Path, found: Imported, precision: Any) -> None:
    out = tmp_path / "m.onnx"
    made = export(found, wish("onnx", preprocess=True, precision=precision), out)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (takes,), (gives,) = session.get_inputs(), session.get_outputs()
    assert (takes.name, takes.type, takes.shape[1:]) == ("images", "tensor(uint8)", [16, 16, 3])
    assert (gives.name, gives.shape[1:]) == ("probabilities", [10])
    pixels = np.random.default_rng(5).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    how = preprocessing(found)
    assert how is not None and made.difference is not None
    from cmt_dsl import run

    expected = chances(run(found.graph, found.arrays, normalised(pixels, how)))
    assert np.abs(computed(out, pixels) - expected).max() < (1e-5 if precision == "fp32" else 1e-2)
    told = session.get_modelmeta().custom_metadata_map
    assert (told["cmt.input"], told["cmt.output"]) == ("uint8 NHWC", "probabilities")


def grey_model(tmp_path: Path) -> Path:
    path = tmp_path / "grey.safetensors"
    save_checkpoint(path, random_statistics(checkpoint_of(PICO, **{"input.channels": 1})))
    return path


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("options", [[], ["--preprocess"], ["--preprocess", "--batch", "2"]])
def test_the_client(tmp_path: Path, pico: Path, picture: Path, channels: int, options: list[str]) -> None:
    """It names the classes that `cmt predict` names, with nothing of this project."""
    file = pico if channels == 3 else grey_model(tmp_path)
    out = tmp_path / "m.onnx"
    done = cmt("export", file, "--format", "onnx", "-o", out, *options)
    assert done.code == 0, done.err
    client = ROOT / "examples/onnx_client.py"
    assert len(client.read_text().splitlines()) <= 40
    said = subprocess.run(
        [sys.executable, client, out, picture, picture],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    first, second = said.stdout.splitlines()
    assert first == second and first.startswith(f"{picture}: ") and said.stderr == ""
    told = cmt("predict", file, picture, "--backend", "numpy", "--json").json["predictions"][0]["guesses"]
    names = [words.strip().rsplit(" ", 1) for words in first.removeprefix(f"{picture}: ").split(", ")]
    assert len(names) == 5
    for (name, share), guess in zip(names, told, strict=True):
        assert name == guess["class"] or abs(float(share[:-1]) / 100 - guess["probability"]) < 2e-3
        assert abs(float(share[:-1]) / 100 - guess["probability"]) < 5e-3


def test_the_digits_are_shown_as_they_were_learnt(tmp_path: Path) -> None:
    """Their mean, not ImageNet's."""
    from dataclasses import replace

    path = tmp_path / "d.safetensors"
    save_checkpoint(path, replace(random_statistics(checkpoint_of(PICO)), source="digits"))
    how = preprocessing(load_weights(path))
    assert how is not None and how.interpolation == "bilinear" and how.crop == 1
    assert len(set(how.mean)) == 1 and 0.29 < how.mean[0] < 0.32


def test_names_for_people_where_they_are_others(tmp_path: Path) -> None:
    from dataclasses import replace

    path = tmp_path / "i.safetensors"
    whole = random_statistics(checkpoint_of(PICO, classes=2))
    save_checkpoint(path, replace(whole, classes=("n01440764", "n01443537")))
    export(load_weights(path), wish("onnx"), tmp_path / "m.onnx")
    told = {
        e.key: json.loads(e.value)
        for e in onnx.load(tmp_path / "m.onnx").metadata_props
        if e.value[:1] == "["
    }
    assert told["cmt.classes"] == ["n01440764", "n01443537"] and told["cmt.labels"] == ["tench", "goldfish"]
