"""Accuracy and loss of a model on every held-out image, counted exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runtime.array import Array
from runtime.data.source import Source
from runtime.infer.backend import Compute
from runtime.infer.metrics import answers, count
from runtime.jobs.world import SOLO, World


@dataclass(frozen=True)
class Measured:
    """Of all held-out images that could be read: fractions, and the mean cross-entropy without smoothing."""

    top1: float
    top5: float
    loss: float
    images: int
    seconds: float
    confusion: Array
    """Counts [true class, answered class], int64 [k, k]."""
    unanswered: int
    """Images whose logits are no numbers; in no column of `confusion`."""


def evaluate(
    compute: Compute,
    source: Source,
    batch: int,
    progress: Callable[[int], object] | None = None,
    world: World = SOLO,
) -> Measured:
    """What a model that computes logits [n, classes] makes of `source`.

    All batches have one shape, so one graph serves them; padding rows are left out of every sum. Each worker of
    `world` sees its share of the images, and all get the sums over every image. `progress` is told how many images
    this worker has done; alone it may raise to stop.
    """
    batch = min(batch, source.val_size)
    began = time.perf_counter()
    hits1 = hits5 = images = 0
    loss, classes = 0.0, len(source.classes)
    seen = np.zeros((classes, classes + 1), np.int64)  # the last column: not answered
    for part in source.val(batch, world.shard):
        logits = compute(part.images)[0][: part.count].astype(np.float64)
        labels = part.labels[: part.count]
        one, five, total = count(logits, labels)
        hits1, hits5, loss, images = hits1 + one, hits5 + five, loss + total, images + part.count
        np.add.at(seen, (labels, answers(logits, labels)), 1)
        if progress:
            progress(images)
    hits1, hits5, loss, images = world.total([hits1, hits5, loss, images])
    seen = world.counts(seen)
    return Measured(
        top1=hits1 / images,
        top5=hits5 / images,
        loss=loss / images,
        images=int(images),
        seconds=round(time.perf_counter() - began, 3),
        confusion=seen[:, :-1],
        unanswered=int(seen[:, -1].sum()),
    )
