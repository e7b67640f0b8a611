"""MindCV's 14 operators and strengths against the MindSpore operators that its code calls."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore

from runtime.data.image.randaugment import AMOUNTS, MINDCV, MINDCV_INCREASING, carried_out, plan  # noqa: E402
from runtime.device.environment import mindspore  # noqa: E402
from runtime.recipe.augment import RandAugment  # noqa: E402

FILL = (124, 116, 104)
PARTS = [0.0, 0.35, 0.9, 1.0]


def picture() -> np.ndarray:
    y, x = np.mgrid[0:60, 0:80]
    shades = 128 + 100 * np.sin(x / 9) * np.cos(y / 7)
    return np.stack([shades, 255 - shades, shades / 2 + x], -1).clip(0, 255).astype(np.uint8)


def ours(name: str, part: float, sign: float = 1.0, *, increasing: bool = False) -> np.ndarray:
    amounts = MINDCV_INCREASING if increasing else MINDCV
    from PIL import Image

    return np.array(carried_out(Image.fromarray(picture()), [(name, amounts[name](part, sign))], FILL))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference in shades, away from the border."""
    return float(np.abs(one.astype(float) - other)[12:-12, 16:-16].mean())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("increasing", [False, True])
def test_bits_and_thresholds(part: float, increasing: bool) -> None:
    mindspore()
    from mindspore.dataset import vision

    kept = int(part * 4)
    bits = max(8 - (4 - kept if increasing else kept), 1)  # MindCV's posterize
    np.testing.assert_array_equal(
        ours("posterize", part, increasing=increasing), vision.RandomPosterize((bits, bits))(picture())
    )
    level = int(part * 255)
    level = 255 - level if increasing else level
    np.testing.assert_array_equal(
        ours("solarize", part, increasing=increasing), vision.RandomSolarize((level, level))(picture())
    )


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_moves(part: float, sign: float) -> None:
    mindspore()
    from mindspore.dataset import vision
    from mindspore.dataset.vision import Inter

    how = {"resample": Inter.BICUBIC, "fill_value": FILL}
    shear, shift, turn = sign * 0.3 * part, sign * 0.45 * part, sign * 30 * part
    theirs = {
        "shear_x": vision.RandomAffine(0, shear=(-shear, -shear), **how),
        "shear_y": vision.RandomAffine(0, shear=(0, 0, shear, shear), **how),
        "translate_x": vision.RandomAffine(
            0, translate=(-shift, -shift), **how
        ),  # the sign is a coin's anyway
        "translate_y": vision.RandomAffine(0, translate=(0, 0, -shift, -shift), **how),
        "rotate": vision.RandomRotation((turn, turn), **how),
    }
    for name, operator in theirs.items():
        away = distance(ours(name, part, sign), operator(picture()))
        assert away < 6, (name, away)  # half a pixel; another direction or degrees for widths is 20 and more


@pytest.mark.parametrize("part", PARTS)
def test_shades(part: float) -> None:
    mindspore()
    from mindspore.dataset import vision

    factor = 0.1 + 1.8 * part
    theirs = {
        "color": vision.RandomColor((factor, factor)),
        "contrast": vision.RandomColorAdjust(contrast=(factor, factor)),
        "brightness": vision.RandomColorAdjust(brightness=(factor, factor)),
        "sharpness": vision.RandomSharpness((factor, factor)),
        "auto_contrast": vision.AutoContrast(),
        "equalize": vision.Equalize(),
        "invert": vision.Invert(),
    }
    for name, operator in theirs.items():
        away = distance(ours(name, part), operator(picture()))
        # Pillow's steps of equalize are whole numbers of pixels, MindSpore's are not: 5 % of a shade on 4800 pixels
        assert away < (6 if name == "equalize" else 3), (name, away)


def test_fourteen_are_drawn_alike() -> None:
    assert set(MINDCV) == set(MINDCV_INCREASING) == set(AMOUNTS) - {"solarize_add"}
    rng, n = np.random.default_rng(0), 20_000
    group = RandAugment(space="mindcv", ops=2, prob=0.5, magnitude=9, std=0.5, increasing=False)
    names = [name for _ in range(n) for name, _ in plan(rng, group)]
    assert len(names) / (2 * n) == pytest.approx(0.5, abs=0.01)
    for name in MINDCV:
        assert names.count(name) / len(names) == pytest.approx(1 / 14, abs=0.01)
