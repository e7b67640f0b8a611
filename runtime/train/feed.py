"""What one training step is given: mixed images, soft targets, learning rate."""

from __future__ import annotations

from runtime.array import Array
from runtime.data.mixing import mixed_batch, soft_targets
from runtime.data.source import Batch
from runtime.jobs.world import World
from runtime.train.plan import Plan


class Feed:
    """Arrays of any step of a run; what is random in them is a function of (seed, worker, epoch, step)."""

    def __init__(self, plan: Plan, world: World):
        recipe = plan.recipe
        self._smoothing, self._mix, self._weights = (
            recipe.loss.label_smoothing,
            recipe.augment.mix,
            plan.weights,
        )
        self._classes, self._rates, self._steps = plan.model.classes, plan.rates, plan.steps_per_epoch
        self._group = recipe.train.accumulate
        self._seed = world.seed(recipe.train.seed)

    def arrays(self, batch: Batch, done: int) -> tuple[Array, Array, float]:
        """(images [n, c, h, w], targets [n, classes], learning rate) of the step after `done`."""
        targets = soft_targets(batch.labels, self._classes, self._smoothing)
        epoch, step = divmod(done, self._steps)
        images, targets = mixed_batch(batch.images, targets, self._mix, self._seed, epoch + 1, step)
        if self._weights is not None:
            targets = targets * self._weights
        return images, targets, self._rates[done // self._group]
