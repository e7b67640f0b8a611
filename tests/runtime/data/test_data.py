"""The digits source, its warps and exact counting; NumPy only."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.data.image.affine import draw, resize, warp
from runtime.data.open import as_model_sees, open_source
from runtime.data.source import Shard, View, require_classes
from runtime.infer.evaluate import count
from runtime.recipe.augment import AugmentGroup, Crop
from tests.runtime.data.made import together

VIEW = View(channels=3, height=32, width=32, eval_crop=0.875)
STILL = AugmentGroup(crop=None, flip=0.0)
LIVELY = AugmentGroup(crop=Crop(scale=[0.5, 1.0], ratio=[0.8, 1.25]), flip=0.5, shift=0.1, rotate=20)


def digits(augment: AugmentGroup | None = STILL) -> Any:
    return open_source("digits", VIEW, augment=augment)


def test_split_is_fixed_and_stratified() -> None:
    from runtime.data.stores.digits import _load, split

    source = digits()
    assert (source.train_size, source.val_size) == (1437, 360)
    labels = _load()[1]
    train, val = split(labels)
    assert not set(train) & set(val) and len(set(train) | set(val)) == 1797
    assert set(np.bincount(labels[val])) <= {35, 36, 37}
    assert val[:5].tolist() == [5, 10, 18, 21, 27] and int(val.sum()) == 327560


@pytest.mark.parametrize("batch", [64, 7, 360])
def test_val_shows_every_image_once(batch: int) -> None:
    parts = list(digits().val(batch))
    assert {p.images.shape for p in parts} == {(batch, 3, 32, 32)}
    assert sum(p.count for p in parts) == 360
    labels = np.concatenate([p.labels[: p.count] for p in parts])
    assert (labels == np.concatenate([p.labels[: p.count] for p in digits().val(360)])).all()


def test_train_repeats_for_the_same_seed_and_epoch_only() -> None:
    def first(seed: int, epoch: int) -> np.ndarray:
        return next(digits(LIVELY).train(64, seed, epoch)).images

    assert (first(0, 1) == first(0, 1)).all()
    assert not (first(0, 1) == first(0, 2)).all() and not (first(0, 1) == first(1, 1)).all()


def test_train_batches_are_full_normalised_and_distinct() -> None:
    parts = list(digits().train(64, 0, 1))
    assert len(parts) == 22 and all(p.count == 64 and p.images.dtype == np.float32 for p in parts)
    images = np.concatenate([p.images for p in parts])
    assert abs(images.mean()) < 0.05 and len({i.tobytes() for i in images}) > 1390


def test_identity_warp_and_flip() -> None:
    images = np.random.default_rng(0).normal(size=(4, 9, 7)).astype(np.float32)
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(warp(images, draw(rng, 4, STILL), 0.0), images, atol=1e-5)
    flipped = warp(images, draw(rng, 4, AugmentGroup(crop=None, flip=1.0)), 0.0)
    np.testing.assert_allclose(flipped, images[:, :, ::-1], atol=1e-5)


def test_what_lies_outside_is_empty_and_nothing_exceeds_the_image() -> None:
    ones = np.ones((64, 16, 16), dtype=np.float32)
    seen = warp(ones, draw(np.random.default_rng(0), 64, AugmentGroup(crop=None, flip=0.0, shift=0.5)), -3.0)
    assert seen.min() == pytest.approx(-3.0) and seen.max() == pytest.approx(1.0)


def test_crops_stay_inside() -> None:
    ones = np.ones((200, 16, 16), dtype=np.float32)
    crop = AugmentGroup(crop=Crop(scale=[0.1, 1.0], ratio=[0.5, 2.0]), flip=0.5)
    inner = warp(ones, draw(np.random.default_rng(0), 200, crop), -3.0)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(inner, 1.0, atol=1e-5)


def test_resize_keeps_a_ramp() -> None:
    ramp = np.tile(np.arange(8.0), (1, 8, 1))
    assert resize(ramp, 32, 32)[0, 0, 2:-2] == pytest.approx((np.arange(32) + 0.5)[2:-2] / 4 - 0.5)


def test_counting_is_exact_and_fair() -> None:
    logits = np.array(
        [[2.0, 1.0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 0], [np.nan, 1, 1, 1, 1, 1]]
    )
    one, five, loss = count(logits, np.array([0, 0, 0, 0]))
    assert (one, five) == (1, 2)  # all equal is no answer, and neither is not-a-number
    assert np.isnan(loss)
    assert count(np.eye(3), np.array([0, 1, 2]))[:2] == (3, 3)


def test_classes_must_agree() -> None:
    with pytest.raises(CmtError, match="the model has 3 classes, the data 10") as found:
        require_classes(digits(), 3)
    assert found.value.code == "CMT-502"
    with pytest.raises(CmtError, match="does not know 1 of the data's 10 classes: 1 "):
        as_model_sees(digits(), 10, ("0", "one", *"23456789"))
    source, _ = as_model_sees(digits(), 10, tuple("9876543210"))
    assert source.classes == tuple("9876543210")
    assert (together(source.val(360))[1] == 9 - together(digits().val(360))[1]).all()


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_are_the_rows_of_the_global_batches(count: int) -> None:
    source = open_source("digits", VIEW, augment=LIVELY)
    whole = list(source.train(4 * count, 3, 1))
    shards = [list(source.train(4, 3, 1, Shard(index, count))) for index in range(count)]
    assert {len(shard) for shard in shards} == {len(whole)} and len(whole) == 1437 // (4 * count)
    for step, everyone in enumerate(whole):
        for index, shard in enumerate(shards):
            np.testing.assert_array_equal(shard[step].images, everyone.images[index::count])
            np.testing.assert_array_equal(shard[step].labels, everyone.labels[index::count])


@pytest.mark.parametrize("count", [1, 2, 7, 359])
def test_validation_shards_hold_each_image_once(count: int) -> None:
    source = open_source("digits", VIEW)
    seen = [part.images[: part.count] for i in range(count) for part in source.val(32, Shard(i, count))]
    (everything,) = source.val(360)
    together = np.concatenate(seen).reshape(360, -1)
    order = np.lexsort(together.T), np.lexsort(everything.images.reshape(360, -1).T)
    np.testing.assert_array_equal(together[order[0]], everything.images.reshape(360, -1)[order[1]])


def test_digits_without_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(CmtError, match="scikit-learn") as found:
        digits()
    assert found.value.code == "CMT-504" and "cmt-dsl[demo]" in str(found.value)
