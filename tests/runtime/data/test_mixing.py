"""Mixup, cutmix and smoothing against their definitions, over thousands of draws; no framework."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.data.mixing import Mixture, draw_mixture, mixed, mixed_batch, soft_targets
from runtime.recipe.augment import Mix
from tests.runtime.data.draws import MIX, near


def test_mixing_ratios_are_those_of_the_definition() -> None:
    n = 8000
    rng = np.random.default_rng(0)
    mix = MIX.model_copy(update={"mixup_prob": 0.7})
    found = [draw_mixture(rng, mix, 224, 224) for _ in range(n)]
    cuts = [m for m in found if m.box is not None]
    blends = np.array([m.share for m in found if m.box is None and m.share != 1.0])
    assert near(len(cuts) / n, 0.35, 0.48, n) and near(len(blends) / n, 0.35, 0.48, n)
    variance = 1 / (4 * (2 * 0.8 + 1))  # of Beta(0.8, 0.8)
    assert near(blends.mean(), 0.5, variance**0.5, len(blends))
    assert blends.var() == pytest.approx(variance, rel=0.06)
    assert blends.min() < 0.01 and blends.max() > 0.99


@pytest.mark.parametrize(("height", "width"), [(224, 224), (17, 40)])
def test_cutmix_share_is_the_area_that_stays(height: int, width: int) -> None:
    rng = np.random.default_rng(1)
    mix = Mix(mixup=None, cutmix=1.0, mixup_prob=1.0)
    shares = []
    for _ in range(4000):
        how = draw_mixture(rng, mix, height, width)
        assert how.box is not None
        top, bottom, left, right = how.box
        assert 0 <= top <= bottom <= height and 0 <= left <= right <= width
        assert how.share == pytest.approx(1 - (bottom - top) * (right - left) / (height * width))
        shares.append(how.share)
    if height == 224:  # rounding to whole pixels is then negligible
        assert near(float(np.mean(shares)), _mean_left(), 0.25, len(shares))


def _mean_left() -> float:
    """Expected share when lambda = 1 - s*s is uniform: of a side s around a uniform centre s - s*s/4 is inside."""
    s = np.sqrt((np.arange(100_000) + 0.5) / 100_000)
    return float(1 - np.mean((s - s * s / 4) ** 2))


def test_only_one_of_the_two() -> None:
    rng = np.random.default_rng(2)
    only = Mix(mixup=0.8, cutmix=None, mixup_prob=1.0)
    assert all(draw_mixture(rng, only, 8, 8).box is None for _ in range(200))
    never = MIX.model_copy(update={"mixup_prob": 0.0})
    assert all(draw_mixture(rng, never, 8, 8) == Mixture(1.0) for _ in range(200))


def test_pixels_and_targets_agree_on_the_share() -> None:
    """Images of one colour per class: the mean colour is the share, for blends and cuts alike."""
    labels = np.array([0, 1, 2, 1])  # the partner of 0 is 1, of 1 is 2
    images = np.broadcast_to(labels[:, None, None, None], (4, 3, 32, 48)).astype(np.float32)
    whole = soft_targets(labels, 3, 0.0)
    kinds = set()
    for step in range(60):
        seen, targets = mixed_batch(images, whole, MIX, 0, 1, step)
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(seen.mean(axis=(1, 2, 3)), targets @ np.arange(3), atol=1e-4)
        kinds.add(len(np.unique(seen[0])))
    assert kinds == {1, 2}  # blended to one colour, or cut to two
    assert images.max() == 2 and whole.max() == 1  # what was given is untouched


def test_smoothing_comes_before_mixing() -> None:
    targets = soft_targets(np.array([0, 3]), 4, 0.1)
    _, found = mixed(np.zeros((2, 1, 2, 2), np.float32), targets, Mixture(0.75))
    on, off = 0.9 + 0.025, 0.025
    row = [on * 0.75 + off * 0.25, off, off, off * 0.75 + on * 0.25]
    np.testing.assert_allclose(found, [row, row[::-1]], atol=1e-6)


def test_an_odd_batch_mixes_its_middle_with_itself() -> None:
    images = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    seen, _ = mixed(images, soft_targets(np.arange(3), 3, 0.0), Mixture(0.25))
    assert seen.ravel().tolist() == [1.5, 1.0, 0.5]


def test_the_same_step_mixes_alike_and_others_do_not() -> None:
    images = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    targets = soft_targets(np.arange(4), 4, 0.1)
    first = mixed_batch(images, targets, MIX, 3, 2, 1)
    for one, two in zip(first, mixed_batch(images, targets, MIX, 3, 2, 1), strict=True):
        np.testing.assert_array_equal(one, two)
    for key in [(4, 2, 1), (3, 3, 1), (3, 2, 2)]:
        assert not np.array_equal(first[1], mixed_batch(images, targets, MIX, *key)[1])
    assert mixed_batch(images, targets, None, 3, 2, 1)[0] is images
