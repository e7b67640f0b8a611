"""Classes of unequal size: equal draws, weights of the loss, and what a person is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmt_dsl.errors import CmtError
from runtime.data.imbalance import class_weights, remarks
from runtime.data.open import open_source
from runtime.data.order import epoch_draws
from runtime.data.source import Shard, View
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup
from tests.runtime.data.made import encoded, smooth

NAMES = ("ant", "bee", "cat")
LABELS = np.repeat(np.arange(3, dtype=np.int32), (60, 10, 2))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_balance_an_epoch_is_the_permutation_it_always_was() -> None:
    found = epoch_draws(rng(3), LABELS, 3)
    images = rng(3).permutation(72)
    assert found.tolist() == [image + 72 * turn for image in images for turn in range(3)][:72]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 4), st.integers(0, 99))
def test_every_class_is_drawn_equally_often(counts: list[int], repeats: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    size = len(labels)
    draws = epoch_draws(rng(seed), labels, repeats, balance=True)
    assert len(draws) == size == len(set(draws.tolist()))  # each has random numbers of its own
    drawn = np.bincount(labels[draws % size], minlength=len(counts))
    assert drawn.max() - drawn.min() <= 2 * repeats - 1 if repeats > 1 else drawn.max() - drawn.min() <= 1
    for label, count in enumerate(counts):
        used = np.bincount(draws % size, minlength=size)[labels == label]
        assert used.max() - used.min() <= 2 * repeats - 1, (label, count)  # none is favoured within its class


def test_epochs_differ_and_one_epoch_is_always_the_same() -> None:
    first, again, second = (epoch_draws(rng(seed), LABELS, 1, balance=True) for seed in (1, 1, 2))
    assert (first == again).all() and (first != second).any()
    rare = first[LABELS[first % 72] == 2]
    assert (
        len(rare) == 24
        and set((rare % 72).tolist()) == {70, 71}
        and set((rare // 72).tolist()) == set(range(12))
    )


def test_workers_and_a_resumed_run_see_the_same_balanced_epoch(tmp_path: Path) -> None:
    for split, counts in (("train", (13, 4, 1)), ("val", (1, 1, 1))):
        for name, count in zip(NAMES, counts, strict=True):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(encoded(smooth(number), "PNG"))
    view, augment = View(3, 8, 8, 1.0), AugmentGroup(crop=None, flip=0.5)
    source = open_source(str(tmp_path), view, augment=augment, group=DataGroup(balance=True))
    whole = list(source.train(6, seed=0, epoch=1))
    assert np.bincount(np.concatenate([b.labels for b in whole])).tolist() == [6, 6, 6]
    parts = [list(source.train(3, seed=0, epoch=1, shard=Shard(i, 2))) for i in range(2)]
    for at, batch in enumerate(whole):
        for index in range(2):
            assert (parts[index][at].images == batch.images[index::2]).all()
            assert (parts[index][at].labels == batch.labels[index::2]).all()
    later = list(source.train(6, seed=0, epoch=1, skip=2))
    assert len(later) == 1 and (later[0].images == whole[2].images).all()


def test_auto_weights_are_by_rarity_and_one_on_average() -> None:
    weights = class_weights("auto", NAMES, LABELS)
    assert weights is not None
    assert weights.tolist() == pytest.approx([72 / 180, 72 / 30, 72 / 6])
    assert weights[LABELS].mean() == pytest.approx(1)
    assert (
        class_weights("auto", NAMES, LABELS, balance=True) is None
        and class_weights(None, NAMES, LABELS) is None
    )
    empty = class_weights("auto", (*NAMES, "none"), LABELS)
    assert empty is not None and empty[3] == 1 and np.isfinite(empty).all()


def test_weights_by_name_are_taken_as_they_are() -> None:
    weights = class_weights({"cat": 5.0}, NAMES, LABELS, balance=True)
    assert weights is not None and weights.tolist() == [1, 1, 5]
    with pytest.raises(CmtError, match="no class 'cats'") as caught:
        class_weights({"cats": 5.0}, NAMES, LABELS)
    assert caught.value.code == "CMT-513" and "'cat'" in caught.value.problems[0].hint


def test_what_a_person_is_told() -> None:
    told = remarks(NAMES, LABELS, None)
    assert told == [
        "classes are uneven: ant has 60 images, cat 2; --set data.balance=true draws each equally often, "
        "--set loss.class_weights=auto weighs its loss"
    ]
    assert remarks(NAMES, LABELS, "auto") == ["class weights (auto): 0.4 (ant) to 12 (cat)"]
    assert remarks(NAMES, LABELS, None, balance=True) == [
        "each of 3 classes is drawn 24 times an epoch, ant has 60 images, cat 2"
    ]
    assert remarks(NAMES, np.repeat(np.arange(3), (9, 3, 5)), None) == []
    assert "all training images are of one class, bee" in remarks(NAMES, np.full(9, 1), None)[0]


@pytest.mark.mindspore
@pytest.mark.parametrize("scale", [None, 8.0])
def test_the_weighted_loss_and_its_gradient_are_the_formula(scale: float | None) -> None:
    """-Σ w_c t_c log softmax(z)_c, over the images; its gradient is (Σ w t) softmax(z) - w t."""
    import mindspore as ms
    from mindspore import nn

    from runtime.engines.mindspore.loss import Loss, ScaledLoss

    draw = rng(5)
    logits = draw.normal(size=(6, 4)).astype(np.float32) * 3
    targets = draw.dirichlet(np.ones(4), 6).astype(np.float32)
    weights = np.array([0.2, 1, 3, 9], np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    weighed = targets * weights
    loss = -(weighed * np.log(shares)).sum(1).mean()
    gradient = (weighed.sum(1, keepdims=True) * shares - weighed) / 6
    cell = Loss(nn.Identity(), weighted=True)
    given = [ms.Tensor(logits), ms.Tensor(weighed)]
    if scale is not None:
        cell, given, loss, gradient = (
            ScaledLoss(cell),
            [*given, ms.Tensor(scale)],
            loss * scale,
            gradient * scale,
        )
    found, slope = ms.value_and_grad(cell, 0)(*given)
    assert float(found.asnumpy()) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(slope.asnumpy(), gradient, atol=1e-5 * (scale or 1))
