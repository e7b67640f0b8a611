"""What others put around weights: wrappers, bookkeeping, averages, a head that is gone; and never anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.formats.mindfile import write_mindspore
from runtime.checkpoint.formats.torchwrite import write_torch
from runtime.checkpoint.load import Imported, load_weights
from runtime.checkpoint.recognise import names_of
from runtime.recipe.read import load_recipe
from runtime.train.start import starting_point
from tests.cli.cmt import cmt

MODEL = load("cmt_nano")
GRAPH = build(MODEL)
ARRAYS = initial(GRAPH, 3)
KINDS = {"pth": "official", "ckpt": "mindcv", "safetensors": "official"}
MINDCV = load("cmt_nano", set={"profile": "mindcv"})


def weights(kind: str) -> dict[str, np.ndarray]:
    """cmt_nano's in the names of the project that writes such files."""
    graph = build(MINDCV) if kind == "ckpt" else GRAPH
    arrays = initial(graph, 3)
    return {theirs: arrays[ours] for ours, theirs in names_of(graph, KINDS[kind]).items()}


def written(path: Path, kind: str, arrays: dict[str, np.ndarray]) -> Path:
    path = path / f"w.{kind}"
    {"pth": write_torch, "ckpt": write_mindspore, "safetensors": lambda p, a: save_file(a, p)}[kind](
        path, arrays
    )
    return path


def same(found: Imported) -> bool:
    start = initial(found.graph, 3)
    return all(np.array_equal(found.arrays[path], start[path]) for path in start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.",
        "backbone.",
        "network.",
        "a.b.c.d.",
    ],
)
def test_wrappers_are_taken_off_and_said(tmp_path: Path, kind: str, prefix: str) -> None:
    path = written(tmp_path, kind, {prefix + name: value for name, value in weights(kind).items()})
    found = load_weights(path)
    assert same(found) and f"took the prefix '{prefix}' off every name" in found.notes


def test_a_wrapper_around_something_else_names_prefix_and_nearest_model(tmp_path: Path) -> None:
    arrays = {f"model.{name}": value for name, value in weights("pth").items()}
    arrays["model.extra.weight"] = np.zeros(3, np.float32)
    with pytest.raises(CmtError) as found:
        load_weights(written(tmp_path, "pth", arrays))
    assert found.value.code == "CMT-634" and "unexpected extra.weight" in str(found.value)
    assert "nearest to cmt_nano" in str(found.value) and "without the prefix 'model.'" in str(found.value)
    with pytest.raises(CmtError) as found:
        load_weights(written(tmp_path, "pth", {f"net.body.{i}.w": np.zeros(2, np.float32) for i in range(3)}))
    assert found.value.code == "CMT-633" and "all below 'net.'" in str(found.value)


def test_half_a_wrapper_is_no_wrapper(tmp_path: Path) -> None:
    arrays = {(f"module.{n}" if i % 2 else n): v for i, (n, v) in enumerate(weights("pth").items())}
    with pytest.raises(CmtError):
        load_weights(written(tmp_path, "pth", arrays))


@pytest.mark.parametrize("kind", KINDS)
def test_bookkeeping_is_set_aside_and_counted(tmp_path: Path, kind: str) -> None:
    arrays, one = weights(kind), np.ones(1, np.float32)
    first = next(iter(arrays))
    beside = {"n_averaged": one, "learning_rate": one, "global_step": one, "beta1_power": one, "total_ops": one,
              f"{first.rpartition('.')[0]}.total_params": one, f"moment1.{first}": arrays[first],
              f"moment2.{first}": arrays[first]}  # fmt: skip
    found = load_weights(written(tmp_path, kind, {**arrays, **beside}))
    assert same(found)
    (note,) = [note for note in found.notes if note.startswith("set aside")]
    assert all(word in note for word in ("n_averaged", "total_ops", "total_params", "moment1.*", "moment2.*"))
    for stranger in ("moment1.nothing.weight", "learning_rates", "total_ops.weight"):
        with pytest.raises(CmtError, match="unexpected"):
            load_weights(written(tmp_path, kind, {**arrays, stranger: one}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["ema.", "module_ema.", "ema_"])
def test_averages_beside_the_weights_are_offered(tmp_path: Path, kind: str, prefix: str) -> None:
    arrays = weights(kind)
    path = written(tmp_path, kind, {**arrays, **{prefix + name: value + 1 for name, value in arrays.items()}})
    found = load_weights(path)
    assert same(found) and "took 'raw'; the file also holds ema" in found.notes
    average = load_weights(path, which="ema")
    assert all(np.array_equal(average.arrays[p], found.arrays[p] + 1) for p in found.arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_its_classifier_starts_a_fine_tuning_and_nothing_else(
    tmp_path: Path, kind: str
) -> None:
    arrays = weights(kind)
    last = [name for name in arrays if name.startswith(("fc.", "head.", "classifier."))]
    path = written(tmp_path, kind, {name: value for name, value in arrays.items() if name not in last})
    assert len(last) == 2, last
    with pytest.raises(CmtError, match="missing") as refused:
        load_weights(path)
    assert refused.value.code == "CMT-634" and "cmt adapt" in refused.value.problems[0].hint
    made = tmp_path / "made.safetensors"
    done = cmt("adapt", path, "--spec", "cmt_nano", "-o", made, "--classes", "4",
               *(["--set", "profile=mindcv"] if kind == "ckpt" else []))  # fmt: skip
    if kind != "ckpt":
        assert done.code == 0 and "is missing and starts anew" in done.out, done.out + done.err
    recipe = load_recipe("digits", overrides=(f"train.init={path}",))
    model = MINDCV if kind == "ckpt" else MODEL
    start = starting_point(recipe, build(model), model)
    assert any("is missing and starts anew" in line for line in start.says)
    for also in (last[0], next(iter(arrays))):
        fewer = {
            n: v for n, v in arrays.items() if (n != also if also == last[0] else n not in (*last, also))
        }
        with pytest.raises(CmtError):
            load_weights(written(tmp_path, kind, fewer), anew=0)


OWN = """\
model: mine
extends: cmt_nano
classes: 10
set: {stages.1.depth: 1, stage_defaults.args.expansion: 3}
"""


def test_the_model_being_trained_is_the_first_candidate(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN)
    model = load(tmp_path / "mine.yaml")
    graph = build(model)
    arrays = initial(graph, 5)
    path = written(
        tmp_path, "pth", {theirs: arrays[ours] for ours, theirs in names_of(graph, "official").items()}
    )
    with pytest.raises(CmtError) as found:
        load_weights(path)
    assert "--spec" in found.value.problems[0].hint
    recipe = load_recipe("digits", overrides=(f"train.init={path}",))
    start = starting_point(recipe, graph, model)
    assert start.arrays is not None and all(np.array_equal(start.arrays[p], arrays[p]) for p in arrays)
    other = load(tmp_path / "mine.yaml", set={"classes": 3})
    assert any("10 → 3 classes" in line for line in starting_point(recipe, build(other), other).says)


def test_no_hint_names_an_option_that_its_verb_lacks(tmp_path: Path) -> None:
    path = written(tmp_path, "pth", {"stages.0.what": np.zeros(2, np.float32)})
    image = tmp_path / "x.npy"
    np.save(image, np.zeros((1, 3, 32, 32), np.float32))
    lines = {
        "convert": [path, "--to", "native"],
        "adapt": [path, "-o", tmp_path / "o.safetensors"],
        "run": [path, "--input", image, "-o", tmp_path / "y.npy", "--backend", "numpy"],
        "features": [path, "--data", "digits", "-o", tmp_path / "f.npz", "--backend", "numpy"],
        "predict": [path, image, "--backend", "numpy"],
    }
    for verb, line in lines.items():
        done = cmt(verb, *line)
        assert done.code == 2 and "--spec" in done.err, (verb, done.err)
        assert "--spec" in cmt(verb, "--help").out
