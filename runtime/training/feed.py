"""What one training step is given: mixed images, soft targets, learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.data.mixing import mixed_batch, soft_targets
from runtime.data.source import Batch
from runtime.device.environment import mindspore
from runtime.device.world import World
from runtime.recipe.schema import Recipe


class Feed:
    """Tensors of any step of a run; what is random in them is a function of (seed, worker, epoch, step)."""

    def __init__(
        self,
        recipe: Recipe,
        classes: int,
        rates: list[float],
        steps_per_epoch: int,
        world: World,
        weights: np.ndarray | None = None,
    ):
        """`weights` [classes] multiply the targets, if they are given."""
        self._ms = mindspore()
        self._smoothing, self._mix, self._weights = recipe.loss.label_smoothing, recipe.augment.mix, weights
        self._classes, self._rates, self._steps = classes, rates, steps_per_epoch
        self._group = recipe.train.accumulate
        self._seed = world.seed(recipe.train.seed)

    def tensors(self, batch: Batch, done: int) -> tuple[Any, Any, Any]:
        """(images [n, c, h, w], targets [n, classes], lr []) of the step after `done`."""
        targets = soft_targets(batch.labels, self._classes, self._smoothing)
        epoch, step = divmod(done, self._steps)
        images, targets = mixed_batch(batch.images, targets, self._mix, self._seed, epoch + 1, step)
        if self._weights is not None:
            targets = targets * self._weights
        lr = self._ms.Tensor(self._rates[done // self._group], self._ms.float32)
        return self._ms.Tensor(images), self._ms.Tensor(targets), lr
