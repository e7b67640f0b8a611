"""Classes with unequal numbers of training images: how unequal, and what a recipe does about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from cmt_dsl.errors import CmtError, did_you_mean
from runtime.array import Array

NOTABLE = 4
"""Times the smallest class that the largest has to be for a remark."""
Weights = Literal["auto"] | Mapping[str, float] | None
"""As the recipe has them: loss.class_weights."""


def imbalance(classes: Sequence[str], counts: Sequence[int]) -> dict[str, Any] | None:
    """The largest and the smallest class that has images, and their ratio; None without images."""
    some = [(count, name) for name, count in zip(classes, counts, strict=True) if count]
    if not some:
        return None
    (most, largest), (least, smallest) = max(some, key=lambda c: c[0]), min(some, key=lambda c: c[0])
    return {"ratio": round(most / least, 2), "largest": [largest, most], "smallest": [smallest, least]}


def weighs(setting: Weights, *, balance: bool = False) -> bool:
    """Whether any class has a weight: `auto` is nothing where every class is drawn alike."""
    return setting is not None and not (setting == "auto" and balance)


def class_weights(
    setting: Weights, classes: Sequence[str], labels: Array, *, balance: bool = False
) -> Array | None:
    """[classes] float32 factors of each class's cross-entropy, or None for no weighting. CMT-513.

    `auto` is inversely proportional to the share of the class in the draws, so that the mean weight of a drawn image
    is 1 and a learning rate keeps its meaning: n / (k · n_c) over n images of k classes. Weights by name are taken as
    they are; a class without one has 1.
    """
    if not weighs(setting, balance=balance):
        return None
    if setting == "auto":
        counts = np.bincount(labels, minlength=len(classes))
        seen = counts > 0
        weights = np.ones(len(classes), np.float32)
        weights[seen] = len(labels) / (seen.sum() * counts[seen])
        return weights
    assert isinstance(setting, Mapping)
    if unknown := [name for name in setting if name not in classes]:
        raise CmtError(
            "CMT-513",
            f"the data has no class '{unknown[0]}'",
            path=f"loss.class_weights.{unknown[0]}",
            hint=did_you_mean(unknown[0], list(classes)),
        )
    return np.array([setting.get(name, 1.0) for name in classes], np.float32)


def remarks(classes: Sequence[str], labels: Array, setting: Weights, *, balance: bool = False) -> list[str]:
    """What a person should know before training: one class alone, a great imbalance, or what is done about it."""
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    found = imbalance(classes, counts)
    if found is None:
        return []
    if sum(count > 0 for count in counts) == 1:
        return [
            f"warning: all training images are of one class, {found['largest'][0]}: there is nothing to tell apart"
        ]
    told = []
    weights = class_weights(setting, classes, labels, balance=balance)
    if weights is not None:
        low, high = int(weights.argmin()), int(weights.argmax())
        told.append(
            f"class weights ({'auto' if setting == 'auto' else 'given'}): "
            f"{weights[low]:.3g} ({classes[low]}) to {weights[high]:.3g} ({classes[high]})"
        )
    if balance:
        k = sum(count > 0 for count in counts)
        told.append(f"each of {k} classes is drawn {len(labels) // k:,} times an epoch, {told_sizes(found)}")
    if not told and found["ratio"] >= NOTABLE:
        told.append(
            f"classes are uneven: {told_sizes(found)}; --set data.balance=true draws each equally often, "
            "--set loss.class_weights=auto weighs its loss"
        )
    return told


def told_sizes(found: Mapping[str, Any]) -> str:
    """The largest and smallest class with their numbers of images."""
    (largest, most), (smallest, least) = found["largest"], found["smallest"]
    return f"{largest} has {most:,} images, {smallest} {least:,}"
