"""Accuracy and loss of a model on every held-out image, counted exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from runtime.data.source import Source
from runtime.device.world import SOLO, World
from runtime.training.per_class import answers


def evaluate(
    cell: Any,
    source: Source,
    batch: int,
    progress: Callable[[int], object] | None = None,
    world: World = SOLO,
    *,
    confusion: bool = False,
) -> dict[str, Any]:
    """{"top1", "top5": fractions, "loss": mean cross-entropy without smoothing, "images", "seconds"}.

    With `confusion` also that matrix of counts [true class, answered class], int64 [k, k], and as "unanswered" the
    number of images whose logits are no numbers.

    All batches have one shape, so one graph serves them; padding rows are left out of every sum. Each worker of
    `world` sees its share of the images, and all get the sums over every image. `progress` is told how many images
    this worker has done; alone it may raise to stop.
    """
    from runtime.device.environment import mindspore

    ms = mindspore()
    batch = min(batch, source.val_size)
    was_training = cell.training
    cell.set_train(False)
    began = time.perf_counter()
    hits1 = hits5 = images = 0
    loss, classes = 0.0, len(source.classes)
    seen = np.zeros((classes, classes + 1), np.int64)  # the last column: not answered
    try:
        for part in source.val(batch, world.shard):
            logits = cell(ms.Tensor(part.images)).asnumpy()[: part.count].astype(np.float64)
            one, five, total = count(logits, part.labels[: part.count])
            hits1, hits5, loss, images = hits1 + one, hits5 + five, loss + total, images + part.count
            if confusion:
                labels = part.labels[: part.count]
                np.add.at(seen, (labels, answers(logits, labels)), 1)
            if progress:
                progress(images)
    finally:
        cell.set_train(was_training)
    hits1, hits5, loss, images = world.total([hits1, hits5, loss, images])
    return {
        "top1": hits1 / images,
        "top5": hits5 / images,
        "loss": loss / images,
        "images": int(images),
        "seconds": round(time.perf_counter() - began, 3),
        **(_confused(seen, world) if confusion else {}),
    }


def _confused(seen: np.ndarray, world: World) -> dict[str, Any]:
    total = np.array(world.total(seen.reshape(-1).tolist())).round().astype(np.int64).reshape(seen.shape)
    return {"confusion": total[:, :-1], "unanswered": int(total[:, -1].sum())}


def count(logits: np.ndarray, labels: np.ndarray) -> tuple[int, int, float]:
    """Right at first guess, right within five guesses, summed cross-entropy.

    A tie counts against the model, and so does a logit that is not a number.
    """
    rows = np.arange(len(labels))
    own = logits[rows, labels][:, None]
    ahead = ~(logits < own)  # also where either is not a number
    ahead[rows, labels] = False
    better = ahead.sum(axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    return int((better < 1).sum()), int((better < 5).sum()), float(losses.sum())
