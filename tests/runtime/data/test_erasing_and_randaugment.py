"""Random erasing and RandAugment against their definitions, over thousands of draws; no framework."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtime.data.image.erasing import draw_box, erased
from runtime.data.image.randaugment import AMOUNTS, INCREASING, carried_out, plan
from tests.runtime.data.draws import ERASE, MOVES, RANDOM, near


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
    for amounts in (AMOUNTS, INCREASING):
        for sign in (-1.0, 1.0):
            steps = [(name, amounts[name](part, sign))]
            out = carried_out(Image.fromarray(_picture()), steps, (124, 116, 104))
            assert (out.size, out.mode) == ((40, 24), "RGB")


def test_what_the_operators_do() -> None:
    image, fill = _picture(), (1, 2, 3)

    def after(name: str, amount: float) -> Any:
        return np.array(carried_out(Image.fromarray(image), [(name, amount)], fill))

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
    assert carried_out(whole := Image.fromarray(image), [], fill) is whole
