"""Learning rate of every update, as plain numbers: warm-up, then cosine."""

from __future__ import annotations

import math

from runtime.recipe.schema import Recipe


def rates(recipe: Recipe, train_size: int, devices: int = 1) -> tuple[float, list[float]]:
    """(peak, rate of every update) of a run on `train_size` images; with accumulation an update takes several steps."""
    peak = recipe.peak_lr(recipe.images_per_update(devices))
    updates = train_size // recipe.images_per_update(devices)
    schedule = recipe.schedule.model_dump(exclude={"lr", "may_end_early"})
    return peak, learning_rates(peak, steps_per_epoch=updates, epochs=recipe.train.epochs, **schedule)


def learning_rates(
    peak: float,
    *,
    steps_per_epoch: int,
    epochs: int,
    warmup_epochs: float,
    warmup_lr: float | None,
    min_lr: float,
    decay_epochs: float | None,
    cosine_from: str,
    by: str,
) -> list[float]:
    """One rate per step, `epochs * steps_per_epoch` of them.

    During warm-up the rate rises in a straight line from `warmup_lr` to `peak`. Then it falls along a cosine to
    `min_lr`, reached after `decay_epochs` (None: at the end of the run) and held. `cosine_from`: "warmup" starts
    the cosine where the warm-up ends; "start" counts it from epoch 0, as timm does, so warm-up hides its beginning.
    `by`: "step" moves at each step, "epoch" holds one rate for a whole epoch.
    """
    start = 0.0 if warmup_lr is None else warmup_lr  # a recipe with a warm-up has one
    offset = warmup_epochs if cosine_from == "warmup" else 0.0
    span = epochs - offset if decay_epochs is None else decay_epochs
    rates = []
    for step in range(epochs * steps_per_epoch):
        t = step / steps_per_epoch if by == "step" else float(step // steps_per_epoch)
        if t < warmup_epochs:
            rates.append(start + (peak - start) * t / warmup_epochs)
        else:
            done = min((t - offset) / span, 1.0) if span > 0 else 1.0
            rates.append(min_lr + (peak - min_lr) * 0.5 * (1.0 + math.cos(math.pi * done)))
    return rates
