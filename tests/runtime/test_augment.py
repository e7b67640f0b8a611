"""Mixing, erasing, RandAugment and repeats against their definitions, over thousands of draws; no framework."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError, SpecError
from runtime.config import load_recipe
from runtime.data import View, open_source
from runtime.erasing import draw_box, erased
from runtime.mixing import Mixture, draw_mixture, mixed, mixed_batch, soft_targets
from runtime.order import generator, shuffled_draws
from runtime.randaugment import AMOUNTS, INCREASING, carried_out, operator, plan
from runtime.recipe import AugmentGroup, Erase, Mix, RandAugment

MIX = Mix(mixup=0.8, cutmix=1.0, mixup_prob=1.0, switch_prob=0.5)
ERASE = Erase(prob=0.25, area=[0.02, 1 / 3], aspect=[0.3, 10 / 3])
RANDOM = RandAugment(ops=2, prob=0.5, magnitude=9, std=0.5, increasing=True)
MOVES = {"rotate": 30, "shear_x": 0.3, "shear_y": 0.3, "translate_x": 0.45, "translate_y": 0.45}


def near(found: float, expected: float, deviation: float, n: int) -> bool:
    """Whether a mean of n values is within five standard errors of what is expected."""
    return abs(found - expected) < 5 * deviation / math.sqrt(n)


# Mixup and cutmix.


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


# Random erasing.


def test_erased_boxes_are_those_of_the_definition() -> None:
    n, side = 20_000, 224
    rng = np.random.default_rng(0)
    boxes = [b for b in (draw_box(rng, ERASE, side, side) for _ in range(n)) if b is not None]
    assert near(len(boxes) / n, 0.25, 0.44, n)
    heights = np.array([b[0].stop - b[0].start for b in boxes])
    widths = np.array([b[1].stop - b[1].start for b in boxes])
    area, aspect = heights * widths / side**2, np.log(heights / widths)
    assert area.min() > 0.0195 and area.max() < 0.337
    assert abs(aspect).max() < math.log(10 / 3) + 0.06
    # a third of the image is too wide for the most elongated boxes, which are drawn again: few, hence the slack
    assert area.mean() == pytest.approx((0.02 + 1 / 3) / 2, abs=0.005)
    assert near(aspect.mean(), 0, 0.7, len(boxes))
    assert aspect.std() == pytest.approx(2 * math.log(10 / 3) / math.sqrt(12), rel=0.03)
    assert all(s.start >= 0 and s.stop <= side for b in boxes for s in b)
    assert min(b[0].start for b in boxes) == 0 and max(b[1].stop for b in boxes) == side


def test_erased_pixels_are_normal_noise_and_the_rest_is_untouched() -> None:
    images = np.full((600, 3, 32, 32), 7.0, dtype=np.float32)
    out = erased(images, np.arange(600), ERASE, 0, 1)
    changed = out != 7
    share = changed.any(axis=(1, 2, 3)).mean()
    assert near(share, 0.25, 0.44, 600) and (images == 7).all()
    noise = out[changed]
    assert near(noise.mean(), 0, 1, noise.size) and noise.std() == pytest.approx(1, abs=0.01)
    one = out[changed.any(axis=(1, 2, 3))][0]
    assert len(np.unique(one[one != 7])) == (one != 7).sum()  # per pixel and channel
    assert (changed.all(axis=1) == changed.any(axis=1)).all()


def test_erasing_depends_on_seed_epoch_and_draw_alone() -> None:
    images = np.zeros((64, 1, 16, 16), dtype=np.float32)
    draws = np.arange(100, 164)
    out = erased(images, draws, ERASE, 5, 2)
    np.testing.assert_array_equal(out[10:20], erased(images[:10], draws[10:20], ERASE, 5, 2))
    assert not np.array_equal(out, erased(images, draws, ERASE, 6, 2))
    assert not np.array_equal(out, erased(images, draws, ERASE, 5, 3))
    assert erased(images, draws, None, 5, 2) is images


# RandAugment.


def test_operators_are_drawn_evenly_and_carried_out_half_the_time() -> None:
    n = 15_000
    rng = np.random.default_rng(0)
    steps = [step for _ in range(n) for step in plan(rng, RANDOM)]
    assert near(len(steps) / (2 * n), 0.5, 0.5, 2 * n)
    counts = {name: sum(s[0] == name for s in steps) for name in INCREASING}
    assert len(counts) == 15 and sum(counts.values()) == len(steps)
    for count in counts.values():
        assert near(count / len(steps), 1 / 15, 0.25, len(steps))


def test_strengths_are_normal_and_clipped() -> None:
    rng = np.random.default_rng(0)
    group = RANDOM.model_copy(update={"prob": 1.0})
    steps = [step for _ in range(20_000) for step in plan(rng, group)]
    for name, most in MOVES.items():
        amounts = np.array([a for n, a in steps if n == name])
        strengths = abs(amounts) / most * 10
        assert near(strengths.mean(), 8.996, 0.5, len(strengths))  # clipping at 10 takes 0.004
        assert strengths.std() == pytest.approx(0.49, abs=0.03) and strengths.max() <= 10
        assert (strengths == 10).any()  # 2.3 % are clipped
        assert near((amounts > 0).mean(), 0.5, 0.5, len(amounts))
    for name in ("color", "contrast", "brightness", "sharpness"):
        amounts = np.array([a for n, a in steps if n == name])
        assert amounts.min() >= 0.1 and amounts.max() <= 1.9 and not ((amounts > 0.5) & (amounts < 1.5)).any()


@pytest.mark.parametrize(
    ("name", "increasing", "part", "amount"),
    [
        ("posterize", True, 0.9, 1),
        ("posterize", True, 1.0, 0),
        ("posterize", False, 0.9, 3),
        ("solarize", True, 0.9, 26),
        ("solarize", False, 0.9, 230),
        ("solarize_add", True, 0.9, 99),
        ("color", False, 0.9, 1.72),
        ("color", True, 0.9, 1.81),
        ("rotate", True, 0.9, 27),
        ("translate_x", True, 0.9, 0.405),
    ],
)
def test_amounts_as_in_timm(name: str, increasing: bool, part: float, amount: float) -> None:
    assert (INCREASING if increasing else AMOUNTS)[name](part, 1.0) == pytest.approx(amount)


def _picture() -> np.ndarray:
    return np.random.default_rng(0).integers(30, 220, (24, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", INCREASING)
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_every_operator_gives_an_image_of_the_same_size(name: str, part: float) -> None:
    pytest.importorskip("PIL")
    for amounts in (AMOUNTS, INCREASING):
        for sign in (-1.0, 1.0):
            out = carried_out(_picture(), [(name, amounts[name](part, sign))], (124, 116, 104))
            assert out.shape == (24, 40, 3) and out.dtype == np.uint8


def test_what_the_operators_do() -> None:
    pytest.importorskip("PIL")
    image, fill = _picture(), (1, 2, 3)

    def after(name: str, amount: float) -> Any:
        return carried_out(image, [(name, amount)], fill)

    np.testing.assert_array_equal(after("invert", 0), 255 - image)
    np.testing.assert_array_equal(after("posterize", 1), image & 128)
    np.testing.assert_array_equal(after("posterize", 0), 0 * image)
    np.testing.assert_array_equal(after("solarize", 26), np.where(image < 26, image, 255 - image))
    np.testing.assert_array_equal(after("solarize", 256), image)
    np.testing.assert_array_equal(
        after("solarize_add", 99), np.where(image < 128, image.astype(int) + 99, image)
    )
    np.testing.assert_array_equal(after("brightness", 1.0), image)
    moved = after("translate_x", 0.25)  # content moves 10 pixels to the left
    np.testing.assert_array_equal(moved[:, :30], image[:, 10:])
    assert (moved[:, 30:] == fill).all()
    np.testing.assert_array_equal(after("translate_y", -0.25)[6:], image[:-6])
    assert carried_out(image, [], fill) is image


def test_the_pipeline_operator_repeats_by_draw() -> None:
    pytest.importorskip("PIL")
    first = operator(RANDOM, (0, 0, 0), 0, 1)
    seen = [first(_picture(), np.int64(i))[0] for i in range(40)]
    again = operator(RANDOM, (0, 0, 0), 0, 1)
    assert all(np.array_equal(s, again(_picture(), np.int64(i))[0]) for i, s in enumerate(seen))
    whole = sum(np.array_equal(s, _picture()) for s in seen)
    assert 3 <= whole <= 18  # a quarter expected, 10


# Order and repeats.


def test_repeats_show_a_third_of_the_images_three_times() -> None:
    draws = shuffled_draws(np.random.default_rng(0), 300, 3)
    images, counts = np.unique(draws % 300, return_counts=True)
    assert len(draws) == len(set(draws)) == 300 and len(images) == 100 and set(counts) == {3}
    assert (draws % 300).reshape(-1, 3).ptp(axis=1).max() == 0  # in a row
    assert set(draws // 300) == {0, 1, 2}
    once = shuffled_draws(np.random.default_rng(0), 300, 1)
    np.testing.assert_array_equal(once, np.random.default_rng(0).permutation(300))


def test_streams_and_keys_are_independent() -> None:
    keys = [("mixing", 0, 1, 0), ("erasing", 0, 1, 0), ("randaugment", 0, 1, 0), ("erasing", 0, 1, 1)]
    first = {generator(*key).random() for key in keys}  # type: ignore[arg-type]
    assert len(first | {np.random.default_rng([0, 1]).random()}) == 5


def test_digits_repeat_and_erase_but_know_no_randaugment() -> None:
    pytest.importorskip("sklearn")
    view = View(channels=3, height=32, width=32, eval_crop=0.875)
    augment = AugmentGroup(crop=None, flip=0.0, rotate=10, repeats=3, erase=ERASE)
    source = open_source("digits", view, augment=augment)
    batch = next(source.train(60, 0, 1))
    assert (batch.labels.reshape(-1, 3).ptp(axis=1) == 0).all()
    assert not np.array_equal(batch.images[0], batch.images[1])
    with pytest.raises(CmtError, match="RandAugment") as found:
        open_source("digits", view, augment=AugmentGroup(crop=None, flip=0.0, randaugment=RANDOM))
    assert (found.value.code, found.value.problems[0].path) == ("CMT-801", "augment.randaugment")


# Recipes.

BOTH = "augment.mix={mixup: 0.8, cutmix: 1.0, mixup_prob: 1.0, switch_prob: 0.5}"


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (("augment.mix={mixup: null, cutmix: null, mixup_prob: 1}",), "augment.mix"),
        (("augment.mix={mixup: 0.8, cutmix: 1.0, mixup_prob: 1}",), "augment.mix"),
        (
            ("augment.mix={mixup: 0.8, cutmix: null, mixup_prob: 1, switch_prob: 0.5}",),
            "augment.mix.switch_prob",
        ),
        ((BOTH, "train.batch=1"), "augment.mix"),
        (("augment.erase={prob: 0.25, area: [0.3, 0.02], aspect: [0.3, 3.3]}",), "augment.erase.area"),
        (("augment.erase={prob: 0.25, area: [0.02, 1.3], aspect: [0.3, 3.3]}",), "augment.erase.area"),
        (("augment.erase={prob: 0.25, area: [0.02, 0.3], aspect: [3.3, 0.3]}",), "augment.erase.aspect"),
    ],
)
def test_contradictions(overrides: tuple[str, ...], path: str) -> None:
    with pytest.raises(SpecError) as found:
        load_recipe("digits", overrides=overrides)
    [problem] = found.value.problems
    assert (problem.code, problem.path) == ("CMT-801", path)
    assert problem.place and problem.hint


@pytest.mark.parametrize(
    "override",
    [
        BOTH.replace("mixup: 0.8", "mixup: 0"),
        BOTH.replace("switch_prob: 0.5", "switch_prob: 1.5"),
        BOTH.replace("}", ", mode: elem}"),
        "augment.erase={prob: 2, area: [0.02, 0.3], aspect: [0.3, 3.3]}",
        "augment.erase={area: [0.02, 0.3], aspect: [0.3, 3.3]}",
        "augment.randaugment={ops: 2, prob: 0.5, magnitude: 11, std: 0.5, increasing: true}",
        "augment.randaugment={ops: 0, prob: 0.5, magnitude: 9, std: 0.5, increasing: true}",
        "augment.repeats=0",
    ],
)
def test_values_out_of_range(override: str) -> None:
    with pytest.raises(SpecError):
        load_recipe("digits", overrides=(override,))


@pytest.mark.parametrize("name", ["cmt_ti", "cmt_xs", "cmt_s", "cmt_b", "cmt_small_ascend"])
def test_published_augmentation(name: str) -> None:
    augment = load_recipe(name).augment
    assert augment.mix == MIX and augment.repeats == 3
    assert augment.randaugment == RANDOM.model_copy(update={"increasing": name != "cmt_small_ascend"})
    assert augment.erase is not None and augment.erase.prob == 0.25
    bounds = [*augment.erase.area, *augment.erase.aspect]
    assert bounds == pytest.approx([0.02, 1 / 3, 0.3, 10 / 3], rel=0.011)
