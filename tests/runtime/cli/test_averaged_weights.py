"""Averaged weights beside the raw ones: every verb checks both, or says which it took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl import build, load, run
from runtime.checkpoint.change.average import average_checkpoints
from runtime.checkpoint.convert import write_weights
from runtime.checkpoint.file import Checkpoint, load_checkpoint, save_checkpoint
from runtime.checkpoint.load import load_weights
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import checkpoint_of

RAW, OTHER = checkpoint_of(), checkpoint_of(seed=1)
MEASURED = {"top1": 0.5, "loss": 1.25, "ema_top1": 0.75}
BOTH = replace(RAW, ema=OTHER.arrays, metrics=MEASURED, recipe={})


@pytest.fixture
def both(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "both.safetensors", BOTH)
    return tmp_path / "both.safetensors"


def with_nan(checkpoint: Checkpoint) -> Checkpoint:
    assert checkpoint.ema is not None
    bias = np.full_like(checkpoint.ema["head.fc.bias"], np.nan)
    return replace(checkpoint, ema={**checkpoint.ema, "head.fc.bias": bias})


def test_verify_and_inspect_look_at_both(both: Path) -> None:
    done = cmt("verify", both)
    assert done.code == 0 and "438 tensors (raw and ema) fit" in done.out
    raw, ema = cmt("inspect", both, "--json").json, cmt("inspect", both, "--weights", "ema", "--json").json
    assert raw["weights"] == ["raw", "ema"] and (raw["of"], ema["of"]) == ("raw", "ema")
    assert raw["total"]["norm"] != ema["total"]["norm"]
    save_checkpoint(both, with_nan(BOTH))
    done = cmt("verify", both)
    assert done.code == 1 and "ema:head.fc.bias: 10 of 10 numbers are NaN or Inf" in done.out
    found = cmt("verify", both, "--json").json["groups"][0]["differences"][0]
    assert (found["path"], found["weights"]) == ("head.fc.bias", "ema")
    assert "attention: 10 NaN in the ema weights" in cmt("inspect", both).out
    done = cmt("run", both, "--input", "x.npy", "-o", "y.npy")
    assert done.code == 2 and "CMT-610" in done.err and "ema:head.fc.bias" in done.err


@pytest.mark.parametrize(("which", "arrays"), [("raw", RAW.arrays), ("ema", OTHER.arrays)])
def test_each_verb_takes_the_set_it_is_told(both: Path, which: str, arrays: dict[str, np.ndarray]) -> None:
    folder, other = both.parent, "ema" if which == "raw" else "raw"
    graph = build(load("cmt_nano"))
    images = np.random.RandomState(0).randn(2, 3, 32, 32).astype(np.float32)
    np.save(folder / "x.npy", images)
    numpy = ["--backend", "numpy", "--weights", which]
    done = cmt("run", both, "--input", folder / "x.npy", "-o", folder / "y.npy", *numpy)
    assert done.code == 0 and f"cmt_nano's {which} weights" in done.out
    assert f"took '{which}'; the file also holds {other}" in done.out
    np.testing.assert_allclose(np.load(folder / "y.npy"), run(graph, arrays, images), atol=1e-5)

    done = cmt("features", both, "--data", "digits", "--limit", 1, "-o", folder / "f.npz", *numpy, "--json")
    assert done.code == 0 and done.json["weights"] == which

    for to in ("native", "official"):
        done = cmt("convert", both, "--to", to, "--weights", which, "-o", folder / to, "--json")
        assert done.code == 0 and done.json["weights"] == which
        found = load_weights(folder / to).arrays
        assert all(found[path].tobytes() == value.tobytes() for path, value in arrays.items())
    written = load_checkpoint(folder / "native")
    assert written.ema is None and written.metrics == (
        {"top1": 0.5, "loss": 1.25} if which == "raw" else {"top1": 0.75}
    )
    assert written.origin == ({} if which == "raw" else {"weights": "ema"})

    done = cmt("adapt", both, "--classes", 3, "--weights", which, "-o", folder / "three")
    assert done.code == 0 and f"{which} weights" in done.out
    adapted = load_checkpoint(folder / "three")
    assert adapted.ema is None and adapted.arrays["head.fc.bias"].shape == (3,)
    np.testing.assert_array_equal(adapted.arrays["stem.conv1.weight"], arrays["stem.conv1.weight"])


def test_what_a_file_does_not_hold_is_an_error_everywhere(both: Path) -> None:
    save_checkpoint(both, RAW)
    np.save(both.parent / "x.npy", np.zeros((1, 3, 32, 32), np.float32))
    out = ["-o", both.parent / "out"]
    for args in (
        ["convert", both, "--to", "official", *out],
        ["adapt", both, *out],
        ["run", both, "--input", both.parent / "x.npy", *out],
        ["features", both, "--data", "digits", *out],
        ["validate", both, "--data", "digits"],
        ["inspect", both],
    ):
        for which, code in (("ema", "CMT-806"), ("emma", "CMT-632")):
            done = cmt(*args, "--weights", which)
            assert done.code == 2 and code in done.err, args
    assert not (both.parent / "out").exists()
    write_weights(both.with_suffix(".ckpt"), load_weights(both), "ckpt")
    done = cmt("adapt", both.with_suffix(".ckpt"), "--weights", "ema", *out)
    assert done.code == 2 and "holds one set of weights and no 'ema'" in done.err


def test_diff_of_both_sets(both: Path) -> None:
    swapped = both.with_name("swapped.safetensors")
    save_checkpoint(swapped, replace(BOTH, ema=RAW.arrays))
    found = cmt("diff", both, swapped, "--json").json
    assert not found["equal"] and found["total"]["relative"] == 0 and found["ema"]["total"]["relative"] > 0.1
    assert "averaged weights" in cmt("diff", both, swapped).out
    save_checkpoint(swapped, replace(BOTH, ema=None))
    found = cmt("diff", both, swapped, "--json").json
    assert (
        found["ema"] is None and found["facts"] == {"weights": ["raw and ema", "raw"]} and not found["equal"]
    )
    assert cmt("diff", both, both).out.rstrip().endswith("equal")


def test_average_of_both_sets_or_told(both: Path) -> None:
    folder = both.parent
    save_checkpoint(folder / "b", replace(OTHER, ema=RAW.arrays))
    made = average_checkpoints([both, folder / "b"])
    name = "stem.conv1.weight"
    mean = ((RAW.arrays[name].astype(np.float64) + OTHER.arrays[name]) / 2).astype(np.float32)
    assert made.ema is not None
    np.testing.assert_array_equal(made.ema[name], mean)
    np.testing.assert_array_equal(made.arrays[name], mean)
    save_checkpoint(folder / "none", OTHER)
    for paths in ([both, folder / "none"], [folder / "none", both]):
        made = average_checkpoints(paths)
        assert made.ema is None and "moving averages are left out: 1 of 2 have them" in made.origin["note"]
    done = cmt("average", both, folder / "b", "-o", folder / "mean")
    assert done.code == 0 and "and their moving averages" in done.out
    assert cmt("average", both, folder / "b", "-o", folder / "mean").code == 2
    save_checkpoint(folder / "sick", with_nan(BOTH))
    done = cmt("average", both, folder / "sick", "-o", folder / "mean", "--overwrite")
    assert done.code == 2 and "ema:head.fc.bias holds NaN" in done.err and "CMT-610" in done.err
