"""Crops, moves and colour jitter against their definitions, over thousands of draws; no framework."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
from PIL import Image

from runtime.data.image import jitter
from runtime.data.image.transforms import MEAN, STD, draw_crop, eval_view, normalised, pixels, train_view
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup, Crop, Jitter
from tests.runtime.data.draws import near
from tests.runtime.data.made import VIEW, smooth

CROP = Crop(scale=[0.08, 1.0], ratio=[3 / 4, 4 / 3])


def test_crops_are_those_of_the_definition() -> None:
    rng, n, width, height = np.random.default_rng(0), 10_000, 500, 400
    boxes = np.array([draw_crop(rng, CROP, width, height) for _ in range(n)])
    left, top, right, bottom = boxes.T
    assert left.min() == top.min() == 0 and right.max() == width and bottom.max() == height
    area = (right - left) * (bottom - top) / (width * height)
    ratio = np.log((right - left) / (bottom - top))
    assert area.min() > 0.079 and abs(ratio).max() < math.log(4 / 3) + 0.01
    small = area < 0.5  # larger ones are often refused, being too wide or too high
    assert near(area[small].mean(), 0.29, (0.5 - 0.08) / math.sqrt(12), int(small.sum()))
    assert near(ratio[small].mean(), 0, math.log(4 / 3) / math.sqrt(3), int(small.sum()))
    share = left[small] / (width - (right - left)[small])
    assert near(share.mean(), 0.5, 1 / math.sqrt(12), len(share)) and share.std() == pytest.approx(
        0.2887, abs=0.01
    )


@pytest.mark.parametrize(
    ("size", "box"), [((1, 100), (0, 49, 1, 50)), ((100, 1), (49, 0, 50, 1)), ((1, 1), (0, 0, 1, 1))]
)
def test_no_crop_fits_a_strip(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    assert draw_crop(np.random.default_rng(0), Crop(scale=[0.9, 1.0], ratio=[0.9, 1.1]), *size) == box


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (5, 7), (64, 64), (801, 333), (333, 801)])
@pytest.mark.parametrize(
    "view", [View(3, 32, 32, 0.875), View(3, 224, 224, 0.9), View(3, 48, 32, 0.8), View(1, 32, 32, 1.0)]
)
def test_eval_is_resizing_and_cropping(size: tuple[int, int], view: View) -> None:
    image = smooth(1, *size)
    seen = np.asarray(eval_view(image, view)).astype(int)
    assert seen.shape == (view.height, view.width, 3)
    wide, high = int(view.width / view.eval_crop), int(view.height / view.eval_crop)
    if view.width == view.height:
        short = min(size)
        wide, high = (int(wide * side / short) for side in size)
    if wide * high < 4_000_000:
        whole = image.resize((wide, high), Image.Resampling.BICUBIC)
        left, top = round((wide - view.width) / 2), round((high - view.height) / 2)
        expected = np.asarray(whole)[top : top + view.height, left : left + view.width].astype(int)
        assert abs(seen - expected).max() <= 2 and abs(seen - expected).mean() < 0.02


def test_flips_and_moves() -> None:
    rng, image = np.random.default_rng(0), smooth(2, 32, 32)
    plain = np.asarray(train_view(image, VIEW, AugmentGroup(crop=None, flip=0.0), rng))
    np.testing.assert_array_equal(plain, np.asarray(image))
    seen = [np.asarray(train_view(image, VIEW, AugmentGroup(crop=None, flip=0.3), rng)) for _ in range(2000)]
    flipped = np.mean([(s == plain[:, ::-1]).all() for s in seen])
    assert near(flipped, 0.3, 0.46, 2000)
    assert all((s == plain).all() or (s == plain[:, ::-1]).all() for s in seen)


def test_shifts_reach_as_far_as_they_may_and_rotations_keep_the_centre() -> None:
    image, rng = Image.new("RGB", (33, 33)), np.random.default_rng(0)
    image.putpixel((16, 16), (255, 255, 255))
    view = View(3, 33, 33, 1.0)
    rows, columns = np.mgrid[:33, :33]

    def centres(**moves: float) -> np.ndarray:
        augment, found = AugmentGroup(crop=None, flip=0.0, **moves), []
        for _ in range(2000):
            bright = np.asarray(train_view(image, view, augment, rng))[..., 1].astype(float)
            bright[bright == 116] = 0  # the fill
            found.append([(bright * at).sum() / bright.sum() for at in (rows, columns)])
        return np.array(found)

    moved = (centres(shift=0.2) - 16) / 33
    assert abs(moved).max() < 0.21 and abs(moved).max(axis=0).min() > 0.19
    for axis in moved.T:
        assert near(axis.mean(), 0, 0.4 / math.sqrt(12), 2000)
        assert axis.std() == pytest.approx(0.4 / math.sqrt(12), rel=0.06)
    assert abs(centres(rotate=30) - 16).max() < 0.01


def test_normalisation_and_back() -> None:
    image = smooth(3)
    numbers = normalised(image, 3)
    expected = (np.asarray(image) - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(numbers, expected.transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_array_equal(pixels(numbers[None])[0], np.asarray(image))
    luminance = pixels(normalised(image, 1)[None])[0]
    assert abs(luminance[..., 0].astype(int) - np.asarray(image.convert("L"))).max() <= 1


JITTER = Jitter(brightness=0.4, contrast=0.3, saturation=1.5, hue=0.1)


def test_jitter_draws_are_uniform_in_a_random_order() -> None:
    rng, n = np.random.default_rng(0), 6000
    plans = [jitter.plan(rng, JITTER) for _ in range(n)]
    ranges = {"brightness": (0.6, 1.4), "contrast": (0.7, 1.3), "saturation": (0.0, 2.5), "hue": (-0.1, 0.1)}
    for name, (low, high) in ranges.items():
        amounts = np.array([dict(steps)[name] for steps in plans])
        width = high - low
        assert low <= amounts.min() < low + width / 500 and high - width / 500 < amounts.max() <= high
        assert near(amounts.mean(), (low + high) / 2, width / math.sqrt(12), n)
        assert amounts.std() == pytest.approx(width / math.sqrt(12), rel=0.03)
        for place in range(4):
            assert near(np.mean([steps[place][0] == name for steps in plans]), 0.25, 0.433, n)
    only = Jitter(brightness=0.4, contrast=0, saturation=0)
    assert {len(jitter.plan(rng, only)) for _ in range(9)} == {1}


def test_jitter_does_what_it_says() -> None:
    image = smooth(4)
    before = np.asarray(image).astype(float)

    def after(name: str, amount: float) -> np.ndarray:
        return np.asarray(jitter.jittered(image, [(name, amount)])).astype(float)

    for name in ("brightness", "contrast", "saturation"):
        np.testing.assert_array_equal(after(name, 1.0), before)
    np.testing.assert_allclose(after("brightness", 0.5), before * 0.5, atol=1)
    mean = np.asarray(image.convert("L")).mean()
    np.testing.assert_allclose(after("contrast", 0.5), before * 0.5 + mean * 0.5, atol=1.5)
    shades = np.asarray(image.convert("L"))[..., None].astype(float)
    np.testing.assert_allclose(after("saturation", 0.0), np.repeat(shades, 3, axis=2), atol=1)
    assert abs(after("hue", 0.0) - before).max() <= 8  # to HSV of 8 bits and back
    third = after("hue", 1 / 3)[20, 30] / 255
    hue, saturation, value = colorsys.rgb_to_hsv(*(before[20, 30] / 255))
    np.testing.assert_allclose(third, colorsys.hsv_to_rgb((hue + 1 / 3) % 1, saturation, value), atol=0.03)
