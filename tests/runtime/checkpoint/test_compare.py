"""Distances between checkpoints, and their mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmt_dsl import build, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.lower.numpy import run
from runtime.checkpoint.change.average import average_checkpoints
from runtime.checkpoint.compare import compare, diff_checkpoints
from runtime.checkpoint.file import load_checkpoint, save_checkpoint
from runtime.checkpoint.load import restore
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, saved

A, B = checkpoint_of(seed=1), checkpoint_of(seed=2)


def test_a_file_and_itself(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", A)
    found = diff_checkpoints(tmp_path / "a", tmp_path / "a")
    assert found.equal and found.facts == {} and found.raw.total.relative == found.raw.total.largest == 0
    assert found.raw.total.equal == found.raw.total.tensors == 219


def test_distances_are_numpys() -> None:
    found = compare(A, B)
    a, b = (np.concatenate([c.arrays[n].reshape(-1) for n in A.arrays]).astype(np.float64) for c in (A, B))
    np.testing.assert_allclose(
        found.raw.total.relative, np.linalg.norm(a - b) / np.linalg.norm(a), rtol=1e-12
    )
    assert found.raw.total.largest == np.abs(a - b).max()
    assert not found.equal and sum(part.tensors for part in found.raw.parts) == 219
    assert found.facts == {"step": (67, 68)}


@settings(max_examples=20, deadline=None)
@given(st.sets(st.sampled_from(list(A.arrays)), min_size=1, max_size=5))
def test_only_what_changed_differs(names: set[str]) -> None:
    changed = {n: v + np.float32(0.5) if n in names else v for n, v in A.arrays.items()}
    found = compare(A, replace(A, arrays=changed), "param")
    assert {part.part for part in found.raw.parts if not part.same} == names
    assert found.raw.total.equal == 219 - len(names)
    assert all(part.largest == pytest.approx(0.5, abs=1e-6) for part in found.raw.parts if part.part in names)


def test_what_else_differs_is_said() -> None:
    other = checkpoint_of(classes=7, profile="mindcv")
    found = compare(A, replace(other, recipe={"recipe": "digits", "train": {"epochs": 5, "batch": 32}}))
    facts = found.facts
    assert facts["recipe.train.epochs"] == (3, 5) and facts["spec.classes"] == (10, 7)
    assert facts["spec.profile.profile"] == ("official", "mindcv") and "fingerprint" in facts
    parts = {part.part: part for part in found.raw.parts}
    assert parts["head"].other_shape == ("head.fc.weight", "head.fc.bias")
    assert parts["stages.1.position"].only_a == ("stages.1.position",) and not found.equal


@pytest.mark.parametrize(("value", "relative"), [(np.nan, None), (np.inf, None)])
def test_numbers_that_are_none(value: float, relative: float | None) -> None:
    """Equal bytes are equal, whatever they mean; a distance of or to NaN is none."""
    bad = {n: np.full_like(v, value) if n == "head.fc.bias" else v for n, v in A.arrays.items()}
    one = compare(A, replace(A, arrays=bad)).raw.total
    assert (one.relative, one.largest, one.equal) == (relative, None, 218)
    same = compare(replace(A, arrays=bad), replace(A, arrays=dict(bad)))
    assert same.equal and same.raw.total.relative == 0


def files(folder: Path, *seeds: int) -> list[Path]:
    return [saved(folder / f"{seed}.safetensors", checkpoint_of(SMALL, seed)) for seed in seeds]


def test_the_mean_of_several(tmp_path: Path) -> None:
    paths = files(tmp_path, 1, 2, 3)
    made = average_checkpoints(paths, [1, 1, 2])
    each = [load_checkpoint(path).arrays for path in paths]
    for name, value in made.arrays.items():
        wanted = sum(w * a[name].astype(np.float64) for w, a in zip((0.25, 0.25, 0.5), each, strict=True))
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, wanted.astype(np.float32))
    assert [(m["file"], m["weight"], m["step"]) for m in made.origin["from"]] == [
        (p.name, w, 66 + s) for p, w, s in zip(paths, (0.25, 0.25, 0.5), (1, 2, 3), strict=True)
    ]
    assert (made.step, made.metrics, made.origin["by"]) == (69, {}, "cmt average")
    save_checkpoint(tmp_path / "mean", made)
    checkpoint, _, graph = restore(tmp_path / "mean")
    assert checkpoint.origin == made.origin
    image = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    outs = [run(graph, a, image) for a in each]
    assert np.isfinite(run(graph, checkpoint.arrays, image)).all() and outs[0].shape == outs[1].shape


def test_frozen_weights_stay_bit_for_bit_and_running_statistics_are_noted(tmp_path: Path) -> None:
    paths = []
    for seed in (1, 2, 3):
        whole = checkpoint_of(SMALL, seed)
        arrays = dict(whole.arrays)
        arrays["stages.0.blocks.0.conv.weight"] = np.full((3, 3, 1, 1), 0.1, np.float32)
        arrays["stages.0.blocks.0.norm.running_var"] = np.full(3, seed, np.float32)
        paths.append(saved(tmp_path / str(seed), replace(whole, arrays=arrays)))
    made = average_checkpoints(paths)
    assert (made.arrays["stages.0.blocks.0.conv.weight"] == np.float32(0.1)).all()
    assert (made.arrays["stages.0.blocks.0.norm.running_var"] == 2).all()
    assert "running statistics" in made.origin["note"]
    assert "note" not in average_checkpoints([paths[0], paths[0]]).origin


def test_the_mean_is_summed_in_float64(tmp_path: Path) -> None:
    """0.1 ten times is 0.1; a sum in float32 would have drifted."""
    whole = checkpoint_of(SMALL)
    paths = []
    for i in range(10):
        bias = np.array([0.1, 1e8 if i == 0 else 1.0, i], np.float32)
        paths.append(
            saved(
                tmp_path / str(i),
                replace(whole, arrays={**whole.arrays, "stages.0.blocks.0.conv.bias": bias}),
            )
        )
    found = average_checkpoints(paths).arrays["stages.0.blocks.0.conv.bias"]
    np.testing.assert_array_equal(found, np.array([0.1, (1e8 + 9) / 10, 4.5], np.float32))


def test_whole_numbers_must_agree(tmp_path: Path) -> None:
    one, other = (saved(tmp_path / str(n), stages__count=np.array([n])) for n in (1, 2))
    assert average_checkpoints([one, one]).arrays["stages.count"] == [1]
    with pytest.raises(CmtError, match="whole numbers that differ") as found:
        average_checkpoints([one, other])
    assert found.value.code == "CMT-611"


def test_what_has_no_mean(tmp_path: Path) -> None:
    first, second = files(tmp_path, 1, 2)
    wide = saved(tmp_path / "wide", checkpoint_of(SMALL.replace("out: 3", "out: 4")))
    named = saved(tmp_path / "named", replace(checkpoint_of(SMALL), classes=("x", "y")))
    more = saved(tmp_path / "more", stages__more=np.zeros(2, np.float32))
    sick = saved(tmp_path / "sick", stages__0__blocks__0__conv__bias=np.full(3, np.nan, np.float32))
    for paths, weights, code in [
        ([first, wide], None, "CMT-611"),
        ([first, named], None, "CMT-611"),
        ([first, more], None, "CMT-611"),
        ([first, sick], None, "CMT-610"),
        ([first], None, "CMT-612"),
        ([], None, "CMT-612"),
        ([first, second], [1.0], "CMT-612"),
        ([first, second], [0.0, 0.0], "CMT-612"),
        ([first, second], [2.0, -1.0], "CMT-612"),
        ([first, second], [1.0, float("nan")], "CMT-612"),
        ([first, tmp_path / "none"], None, "CMT-601"),
    ]:
        with pytest.raises(CmtError) as found:
            average_checkpoints(paths, weights)
        assert found.value.code == code and found.value.problems[0].hint


def test_the_fingerprint_is_of_the_graph() -> None:
    """What the mean claims to be, it is."""
    assert build(load_text(checkpoint_of(SMALL).spec_text)).fingerprint == checkpoint_of(SMALL).fingerprint
