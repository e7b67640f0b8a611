"""Conversion: golden logits out of foreign files, identical bytes on the way back, everything recognised or refused."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl import build, load, run
from cmt_dsl.errors import CmtError
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.change.crossing import to_profile
from runtime.checkpoint.convert import write_weights
from runtime.checkpoint.file import load_checkpoint
from runtime.checkpoint.formats.foreign import read_foreign
from runtime.checkpoint.formats.mindfile import read_mindspore, write_mindspore
from runtime.checkpoint.formats.torchwrite import write_torch
from runtime.checkpoint.load import Imported, load_weights
from runtime.checkpoint.recognise import names_of, recognise
from tests.cli.cmt import cmt
from tests.golden.recorded import MODELS, Recorded, weight

VARIANTS = ["cmt_ti", "cmt_xs", "cmt_s", "cmt_b", "cmt_nano"]


@lru_cache(maxsize=4)
def state(name: str) -> dict[str, np.ndarray]:
    """The recorded code's state dict, complete, with counters."""
    recorded = Recorded(name)
    shapes = {key: tuple(shape) for key, shape in recorded.facts["state"]}
    return {
        key: np.array(5, np.int64) if key.endswith("tracked") else weight(key, shape, recorded.source)
        for key, shape in shapes.items()
    }


def foreign_file(name: str, folder: Path) -> Path:
    if name.startswith("official"):
        write_torch(folder / "w.pth", state(name))
        return folder / "w.pth"
    write_mindspore(folder / "w.ckpt", state(name))
    return folder / "w.ckpt"


@pytest.mark.parametrize("name", MODELS)
def test_golden_logits_and_identical_bytes_on_the_way_back(name: str, tmp_path: Path) -> None:
    recorded, source = Recorded(name), foreign_file(name, tmp_path)
    native, logits = tmp_path / "native.safetensors", tmp_path / "logits.npy"
    done = cmt("convert", source, "--to", "native", "-o", native, "--json")
    assert done.code == 0, done.err
    assert (done.json["model"], done.json["profile"]) == MODELS[name]

    np.save(tmp_path / "images.npy", recorded.images)
    done = cmt("run", native, "--input", tmp_path / "images.npy", "-o", logits, "--backend", "numpy")
    assert done.code == 0, done.err
    np.testing.assert_allclose(
        np.load(logits), recorded.logits, rtol=0, atol=1e-5 * np.abs(recorded.logits).max()
    )

    target = recorded.source
    back = tmp_path / f"back{source.suffix}"
    assert cmt("convert", native, "--to", target, "-o", back).code == 0
    same(read_foreign(back).arrays, state(name))


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert (found[key].dtype, found[key].shape) == (value.dtype, value.shape), key
        assert found[key].tobytes() == value.tobytes(), key


@pytest.mark.parametrize("profile", ["official", "mindcv"])
@pytest.mark.parametrize("model", VARIANTS)
def test_every_variant_is_recognised(model: str, profile: str) -> None:
    graph = build(load(model, set={"profile": profile}))
    shapes = {names_of(graph, profile)[info.path]: info.shape for info in graph.params}
    found = recognise("w", shapes)
    assert (found.naming, found.model.name, found.model.profile.profile) == (profile, model, profile)
    assert found.graph.fingerprint == graph.fingerprint
    assert bool(found.notes) == (profile == "mindcv")  # its size leaves no trace


def nano(profile: str = "official", **sets: object) -> Imported:
    model = load("cmt_nano", set={"profile": profile, **sets})
    graph = build(model)
    return Imported(model, graph, initial(graph, 3), "test", (), {})


@pytest.mark.parametrize("to", ["native", "official", "ckpt", "safetensors"])
def test_every_target_comes_back(to: str, tmp_path: Path) -> None:
    weights = nano()
    write_weights(tmp_path / "w", weights, to)
    back = load_weights(tmp_path / "w")
    assert back.graph.fingerprint == weights.graph.fingerprint
    same(back.arrays, weights.arrays)


@pytest.mark.parametrize("names", ["official", "own"])
def test_names_in_a_plain_safetensors_file(names: str, tmp_path: Path) -> None:
    weights = nano()
    write_weights(tmp_path / "w", weights, "safetensors", names)
    found = read_foreign(tmp_path / "w").arrays
    assert ("stem_conv1.weight" if names == "official" else "stem.conv1.weight") in found
    same(load_weights(tmp_path / "w").arrays, weights.arrays)


def test_classes_channels_and_size_are_read_off_and_said(tmp_path: Path) -> None:
    weights = nano(**{"classes": 37, "input.channels": 1, "input.size": 64})
    write_weights(tmp_path / "w.pth", weights, "official")
    back = load_weights(tmp_path / "w.pth")
    assert back.graph.fingerprint == weights.graph.fingerprint
    said = "; ".join(back.notes)
    for word in ("classes 37", "input.channels 1", "input.size 64", "square"):
        assert word in said


def test_a_model_of_ones_own_is_given_by_spec(tmp_path: Path) -> None:
    weights = nano(**{"stages.1.depth": 4})
    write_weights(tmp_path / "w.pth", weights, "official")
    done = cmt("convert", tmp_path / "w.pth", "--to", "native")
    assert done.code == 2 and "CMT-634" in done.err and "nearest to cmt_nano" in done.err
    own = ["--spec", "cmt_nano", "--set", "stages.1.depth=4", "-o", tmp_path / "n.safetensors"]
    assert cmt("convert", tmp_path / "w.pth", "--to", "native", *own).code == 0
    same(load_checkpoint(tmp_path / "n.safetensors").arrays, weights.arrays)


def broken(weights: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    first = "stem_conv1.weight"
    return {
        "missing stem_conv1.weight": {k: v for k, v in weights.items() if k != first},
        "unexpected more.weight": {**weights, "more.weight": weights[first]},
        "has shape (16, 3, 5, 5)": {**weights, first: np.zeros((16, 3, 5, 5), np.float32)},
        "holds int64": {**weights, first: weights[first].astype(np.int64)},
    }


@pytest.mark.parametrize("what", ["missing stem_conv1.weight", "unexpected more.weight", "has shape (16, 3, 5, 5)", "holds int64"])  # fmt: skip
def test_what_does_not_fit_is_named(what: str, tmp_path: Path) -> None:
    weights = nano()
    write_weights(tmp_path / "w.pth", weights, "official")
    write_torch(tmp_path / "x.pth", broken(read_foreign(tmp_path / "w.pth").arrays)[what])
    with pytest.raises(CmtError) as caught:
        load_weights(tmp_path / "x.pth")
    assert caught.value.code == "CMT-634" and what in str(caught.value)


def test_another_network_is_not_guessed(tmp_path: Path) -> None:
    write_torch(tmp_path / "resnet.pth", {"layer1.0.conv1.weight": np.zeros((64, 64, 3, 3), np.float32)})
    with pytest.raises(CmtError) as caught:
        load_weights(tmp_path / "resnet.pth")
    assert caught.value.code == "CMT-633" and "layer1.0.conv1.weight" in str(caught.value)


def test_half_precision_becomes_float32_and_is_said(tmp_path: Path) -> None:
    graph = nano().graph
    names = names_of(graph, "official")
    halves = {names[p]: v.astype(np.float16) for p, v in nano().arrays.items()}
    write_torch(tmp_path / "w.pth", halves)
    back = load_weights(tmp_path / "w.pth")
    assert any("float16 became float32" in note for note in back.notes)
    for path, value in back.arrays.items():
        assert value.dtype == np.float32 and (value == halves[names[path]]).all()


def test_across_profiles_only_when_asked_and_then_measured(tmp_path: Path) -> None:
    weights = nano()
    write_weights(tmp_path / "n.safetensors", weights, "native")
    done = cmt("convert", tmp_path / "n.safetensors", "--to", "mindcv")
    assert done.code == 2 and "CMT-635" in done.err and "--profile mindcv" in done.err
    args = ["--to", "mindcv", "--profile", "mindcv", "-o", tmp_path / "m.ckpt", "--json"]
    done = cmt("convert", tmp_path / "n.safetensors", *args)
    assert done.code == 0, done.err
    said = " ".join(done.json["changes"])
    for word in ("stages.0.position", "dropped", "gelu form: erf → tanh", "1e-06 → 1e-07"):
        assert word in said
    back = load_weights(tmp_path / "m.ckpt")
    probe = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    moved = np.abs(run(back.graph, back.arrays, probe) - run(weights.graph, weights.arrays, probe)).max()
    assert done.json["logit_difference"] == pytest.approx(float(moved)) and moved > 0


def test_zeros_for_the_position_bias_that_mindcv_lacks() -> None:
    made, crossing = to_profile(nano("mindcv"), "official")
    assert not made.arrays["stages.0.position"].any()
    assert any("stages.0.position" in change and "zeros" in change for change in crossing.changes)
    assert 0 < crossing.difference < 0.05 * crossing.largest


def test_profiles_of_different_shape_are_refused() -> None:
    model = load("cmt_xs", set={"profile": "mindcv"})  # expansion 3.8 there, 3.77 here
    graph = build(model)
    with pytest.raises(CmtError) as caught:
        to_profile(Imported(model, graph, initial(graph, 0), "test", (), {}), "official")
    assert caught.value.code == "CMT-636"


def test_an_output_in_the_way(tmp_path: Path) -> None:
    write_weights(tmp_path / "n.safetensors", nano(), "native")
    for out in (tmp_path / "n.safetensors", tmp_path / "there"):
        (tmp_path / "there").write_bytes(b"x")
        done = cmt("convert", tmp_path / "n.safetensors", "--to", "official", "-o", out)
        assert done.code == 2 and "CMT-637" in done.err
    done = cmt(
        "convert", tmp_path / "n.safetensors", "--to", "official", "-o", tmp_path / "there", "--overwrite"
    )
    assert done.code == 0 and len(read_foreign(tmp_path / "there").arrays) > 100


@pytest.mark.mindspore
def test_mindspore_loads_what_we_write_for_our_cells_and_for_mindcv(tmp_path: Path) -> None:
    import mindspore as ms

    from cmt_dsl import to_cell

    weights = nano("mindcv")
    write_weights(tmp_path / "m.ckpt", weights, "mindcv")
    found = ms.load_checkpoint(str(tmp_path / "m.ckpt"))
    assert set(found) == set(read_mindspore(tmp_path / "m.ckpt")) and "stem_norm1.moving_variance" in found
    weights = nano()
    write_weights(tmp_path / "c.ckpt", weights, "ckpt")
    cell = to_cell(weights.graph, seed=99)
    missing, extra = ms.load_param_into_net(
        cell, ms.load_checkpoint(str(tmp_path / "c.ckpt")), strict_load=True
    )
    assert not extra and all(".drop" in name for name in missing)  # rates and draws are not weights
    images = np.random.RandomState(0).randn(2, 3, 32, 32).astype(np.float32)
    cell.set_train(False)
    expected = run(weights.graph, weights.arrays, images)
    np.testing.assert_allclose(cell(ms.Tensor(images)).asnumpy(), expected, atol=1e-4)
