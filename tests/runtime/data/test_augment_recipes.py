"""Order, repeats, and what recipes may say of augmentation; no framework."""

from __future__ import annotations

import numpy as np
import pytest

from cmt_dsl.errors import CmtError, SpecError
from runtime.data.open import open_source
from runtime.data.order import epoch_draws, generator
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup, Jitter
from runtime.recipe.read import load_recipe
from tests.runtime.data.draws import ERASE, MIX, RANDOM


def test_repeats_show_a_third_of_the_images_three_times() -> None:
    draws = epoch_draws(np.random.default_rng(0), np.zeros(300), 3)
    images, counts = np.unique(draws % 300, return_counts=True)
    assert len(draws) == len(set(draws)) == 300 and len(images) == 100 and set(counts) == {3}
    assert (draws % 300).reshape(-1, 3).ptp(axis=1).max() == 0  # in a row
    assert set(draws // 300) == {0, 1, 2}
    once = epoch_draws(np.random.default_rng(0), np.zeros(300), 1)
    np.testing.assert_array_equal(once, np.random.default_rng(0).permutation(300))


def test_streams_and_keys_are_independent() -> None:
    keys = [("mixing", 0, 1, 0), ("erasing", 0, 1, 0), ("randaugment", 0, 1, 0), ("erasing", 0, 1, 1)]
    first = {generator(*key).random() for key in keys}  # type: ignore[arg-type]
    assert len(first | {np.random.default_rng([0, 1]).random()}) == 5


def test_digits_repeat_and_erase_but_know_no_randaugment() -> None:
    view = View(channels=3, height=32, width=32, eval_crop=0.875)
    augment = AugmentGroup(crop=None, flip=0.0, rotate=10, repeats=3, erase=ERASE)
    source = open_source("digits", view, augment=augment)
    batch = next(source.train(60, 0, 1))
    assert (batch.labels.reshape(-1, 3).ptp(axis=1) == 0).all()
    assert not np.array_equal(batch.images[0], batch.images[1])
    with pytest.raises(CmtError, match="RandAugment") as found:
        open_source("digits", view, augment=AugmentGroup(crop=None, flip=0.0, randaugment=RANDOM))
    assert (found.value.code, found.value.problems[0].path) == ("CMT-801", "augment.randaugment")
    with pytest.raises(CmtError, match="colour jitter is for colour pictures"):
        jitter = Jitter(brightness=0.4, contrast=0.4, saturation=0.4)
        open_source("digits", view, augment=AugmentGroup(crop=None, flip=0.0, jitter=jitter))


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
        "augment.jitter={brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.6}",
        "augment.jitter={brightness: -0.1, contrast: 0.4, saturation: 0.4}",
        "data.max_bad=-1",
    ],
)
def test_values_out_of_range(override: str) -> None:
    with pytest.raises(SpecError):
        load_recipe("digits", overrides=(override,))


@pytest.mark.parametrize("name", ["cmt_ti", "cmt_xs", "cmt_s", "cmt_b", "cmt_small_ascend"])
def test_published_augmentation(name: str) -> None:
    augment = load_recipe(name).augment
    assert augment.mix == MIX and augment.repeats == 3
    own = {"increasing": False, "space": "mindcv"} if name == "cmt_small_ascend" else {}
    assert augment.randaugment == RANDOM.model_copy(update=own)
    assert augment.erase is not None and augment.erase.prob == 0.25
    bounds = [*augment.erase.area, *augment.erase.aspect]
    assert bounds == pytest.approx([0.02, 1 / 3, 0.3, 10 / 3], rel=0.011)
