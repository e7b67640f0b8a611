"""Training images as validation shows them: what static quantisation sees of the data, and nothing held out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import Model
from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.held_out import Asked
from runtime.data.open import open_source
from runtime.data.source import View
from runtime.data.splitting import read_split
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.read import recipe_from
from runtime.recipe.schema import DataGroup

UNCHANGED = AugmentGroup(crop=None, flip=0.0)


def calibration_images(
    data: str,
    model: Model,
    recipe: Mapping[str, Any],
    count: int,
    seed: int = 0,
    *,
    asked: Asked | None = None,
    beside: Path | None = None,
) -> Array:
    """`count` training images of `data`, float32 [n, c, h, w], of all classes alike; the same for a seed, all if fewer.

    They are prepared as the model, and the recipe it was trained by, want held-out ones; those that its run held out
    are none of them. CMT-854 where there are no training images, CMT-5xx for what is wrong with the data.
    """
    read = recipe_from(dict(recipe)) if recipe else None
    asked = asked if asked is not None else Asked()
    group = asked.group(read.data if read else DataGroup())
    split = read_split(beside) if beside is not None and group.split is not None else None
    hint = "--data DIR with training images; held-out ones would make the measured accuracy too good"
    root = Path(data)
    if root.is_dir() and (root / group.val_name).is_dir() and not (root / group.train_name).is_dir():
        raise CmtError("CMT-854", f"{data} has held-out images alone, and none to calibrate with", hint=hint)
    source = open_source(data, View.of(model, group.eval_crop), augment=UNCHANGED, group=group, split=split)
    labels = source.train_labels
    if not len(labels) or count < 1:
        raise CmtError("CMT-854", f"{source.name}: there is no training image to calibrate with", hint=hint)
    return np.concatenate(list(source.train_as_val(stratified(labels, count, seed))))


def stratified(labels: Array, count: int, seed: int) -> Array:
    """Rows, ascending, of `count` images: one of each class, then a second one, as long as there are any."""
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = labels[order]
    by_class = np.argsort(shuffled, kind="stable")
    first = np.searchsorted(shuffled[by_class], shuffled[by_class])
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - first
    return np.sort(order[np.argsort(rank, kind="stable")[:count]])
