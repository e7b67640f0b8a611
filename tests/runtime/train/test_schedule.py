"""Shape of the learning-rate schedule."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from runtime.train.schedule import learning_rates

BASE: dict[str, Any] = {
    "steps_per_epoch": 10,
    "epochs": 20,
    "warmup_epochs": 2,
    "warmup_lr": 0.1,
    "min_lr": 0.01,
    "decay_epochs": None,
    "cosine_from": "warmup",
    "by": "step",
}


def test_warm_up_is_a_line_and_the_cosine_falls_to_min_lr() -> None:
    rates = learning_rates(1.0, **BASE)
    assert len(rates) == 200
    assert rates[0] == 0.1 and rates[10] == pytest.approx(0.55) and rates[20] == 1.0
    assert rates[110] == pytest.approx((1 + 0.01) / 2)
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))
    assert rates[-1] == pytest.approx(0.01, abs=1e-3) and rates[-1] > 0.01


def test_by_epoch_holds_the_rate() -> None:
    rates = learning_rates(1.0, **{**BASE, "by": "epoch"})
    assert all(len(set(rates[e * 10 : e * 10 + 10])) == 1 for e in range(20))
    assert rates[::10] == learning_rates(1.0, **BASE)[::10]


def test_cosine_from_start_hides_its_beginning_under_the_warm_up() -> None:
    rates = learning_rates(1.0, **{**BASE, "cosine_from": "start"})
    assert rates[20] == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * 0.1)))


def test_decay_epochs_then_hold() -> None:
    rates = learning_rates(1.0, **{**BASE, "decay_epochs": 10})
    assert rates[120:] == [0.01] * 80 and rates[119] > 0.01


def test_no_warm_up() -> None:
    assert learning_rates(1.0, **{**BASE, "warmup_epochs": 0})[0] == 1.0
