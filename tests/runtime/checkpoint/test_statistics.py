"""Statistics of weights against numbers known by hand or by NumPy at once."""

from __future__ import annotations

import numpy as np
import pytest

from cmt_dsl.ir import block_of, stage_of
from runtime.checkpoint.statistics import dead_channels, statistics, total
from tests.runtime.checkpoint.samples import checkpoint_of


@pytest.mark.parametrize(
    ("name", "stage", "block"),
    [
        ("stages.2.blocks.4.attn.q.weight", "stages.2", "stages.2.blocks.4"),
        ("stages.0.embed.proj.bias", "stages.0", "stages.0.embed"),
        ("stages.1.position", "stages.1", "stages.1.position"),
        ("stem.conv1.weight", "stem", "stem"),
        ("head.fc.bias", "head", "head"),
        ("blocks_a.0.norm1.weight", "blocks_a.0", "blocks_a.0.norm1"),
        ("weight", "weight", "weight"),
        ("", "", ""),
        ("7.weight", "7", "7"),
    ],
)
def test_parts_of_a_name(name: str, stage: str, block: str) -> None:
    assert (stage_of(name), block_of(name)) == (stage, block)


def test_moments_are_those_of_all_trained_numbers_together() -> None:
    arrays = checkpoint_of().arrays
    trained = np.concatenate([v.reshape(-1) for n, v in arrays.items() if "running" not in n]).astype(
        np.float64
    )
    found = total(arrays)
    assert (found.params, found.tensors) == (trained.size, len(arrays)) == (316_506, 219)
    np.testing.assert_allclose(found.norm, np.linalg.norm(trained), rtol=1e-12)
    np.testing.assert_allclose([found.mean, found.std], [trained.mean(), trained.std()], rtol=1e-9)
    assert found.largest == np.abs(trained).max() and found.complaints == ""


@pytest.mark.parametrize("level", ["stage", "block", "param"])
def test_parts_add_up(level: str) -> None:
    arrays = checkpoint_of().arrays
    rows = statistics(arrays, level)  # type: ignore[arg-type]
    whole = total(arrays)
    assert sum(row.params for row in rows) == whole.params
    assert sum(row.tensors for row in rows) == whole.tensors == len(arrays)
    np.testing.assert_allclose(sum(row.norm**2 for row in rows), whole.norm**2, rtol=1e-12)
    assert rows[0].part.startswith("stem")


def test_what_is_wrong_is_counted_where_it_is() -> None:
    arrays = {name: value.copy() for name, value in checkpoint_of().arrays.items()}
    arrays["stem.conv1.weight"][3] = 0
    arrays["stem.conv1.weight"][5] = 0
    arrays["stages.1.blocks.0.ffn.norm1.running_var"][:4] = [0, -1, np.nan, np.inf]
    arrays["head.fc.bias"][0] = -np.inf
    rows = {row.part: row for row in statistics(arrays, "block") if row.complaints}
    assert {part: row.complaints for part, row in rows.items()} == {
        "stem": "2 dead",
        "stages.1.blocks.0": "1 NaN, 1 Inf, 2 variance ≤ 0",
        "head": "1 Inf",
    }
    whole = total(arrays)
    assert (whole.nan, whole.inf, whole.dead, whole.bad_variance) == (1, 2, 2, 2)
    assert np.isfinite([whole.norm, whole.mean, whole.std, whole.largest]).all()


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("a.weight", np.zeros((4, 2, 1, 1)), 4),
        ("a.weight", np.eye(3), 0),
        ("a.weight", np.zeros(4), 0),  # a norm's weight has no channels of its own
        ("a.position", np.zeros((4, 2)), 0),
        ("a.weight", np.full((2, 3), np.nan), 0),
        ("a.weight", np.zeros((2, 0)), 2),
    ],
)
def test_dead_channels(name: str, value: np.ndarray, count: int) -> None:
    assert dead_channels(name, value) == count


def test_nothing_and_no_numbers() -> None:
    found = total({})
    assert (found.norm, found.mean, found.params) == (0, 0, 0)
    found = total({"a.weight": np.full((2, 2), np.nan, np.float32), "b": np.zeros((0, 3))})
    assert (found.norm, found.nan) == (0, 4)
