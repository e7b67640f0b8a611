"""Speed of the input pipeline alone: each stage on one thread, then all of it on every worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from runtime.data.image.stages import train_stages
from runtime.data.mixing import mixed_batch, soft_targets
from runtime.data.order import epoch_draws
from runtime.data.pictures import Pictures
from runtime.data.source import Source
from runtime.recipe.schema import Recipe

Tell = Callable[[str], object]


def bench(source: Source, recipe: Recipe, seconds: float, tell: Tell) -> dict[str, Any]:
    """{"images_per_second", "per_core", "workers", "batch", "stages": [{"stage", "ms", "per_core", "share"}]}.

    `seconds` are spent in halves on the stages and on the whole. Files that were read before come from memory: the
    first run over a data set tells more about the disk.
    """
    batch, seed = min(recipe.train.batch, source.train_size), recipe.train.seed
    spent: dict[str, float] = {}
    if isinstance(source, Pictures):
        spent = _stages(source, recipe, batch, seconds / 2, tell)
    workers = source.workers if isinstance(source, Pictures) else 1
    images, began, told = 0, time.perf_counter(), 0.0
    tell(f"all stages, {workers} workers …")
    epoch = 0
    while (passed := time.perf_counter() - began) < (seconds / 2 if spent else seconds):
        epoch += 1
        for step, part in enumerate(source.train(batch, seed, epoch)):
            targets = soft_targets(part.labels, len(source.classes), recipe.loss.label_smoothing)
            mixed_batch(part.images, targets, recipe.augment.mix, seed, epoch, step)
            images += part.count
            passed = time.perf_counter() - began
            if passed - told > 1:
                told = passed
                tell(f"all stages, {workers} workers: {images / passed:.0f} img/s")
            if passed >= seconds / 2:
                break
    rate, whole = images / (time.perf_counter() - began), sum(spent.values())
    rows = [
        {
            "stage": name,
            "ms": round(1000 * value, 6),
            "per_core": round(1 / max(value, 1e-9), 1),
            "share": round(value / whole, 4),
        }
        for name, value in spent.items()
    ]
    return {
        "images_per_second": round(rate, 1),
        "per_core": round(rate / workers, 1),
        "workers": workers,
        "batch": batch,
        "stages": rows,
    }


def _stages(source: Pictures, recipe: Recipe, batch: int, seconds: float, tell: Tell) -> dict[str, float]:
    """Seconds per image of each stage, on this thread."""
    stored, seed = source.stored["train"], recipe.train.seed
    rng, repeats = np.random.default_rng([seed, 1]), recipe.augment.repeats
    draws = epoch_draws(rng, source.train_labels, repeats, balance=recipe.data.balance)
    stages = train_stages(source.view, recipe.augment, seed, 1)
    spent: dict[str, float] = {"read": 0.0, **{name: 0.0 for name, _ in stages}}
    clock, began, told, done = time.perf_counter, time.perf_counter(), 0.0, 0
    view = source.view
    seen = np.empty((batch, view.channels, view.height, view.width), dtype=np.float32)
    labels: list[int] = []
    tell("stage by stage, 1 thread …")
    while clock() - began < 0.9 * seconds or not done:
        for draw in draws.tolist():
            at = clock()
            try:
                content: Any = stored.read(draw % len(stored.labels))
                times = {"read": clock() - at}
                for name, stage in stages:
                    at = clock()
                    content = stage(content, draw)
                    times[name] = clock() - at
            except (ValueError, OSError):
                continue  # what is bad is named by the whole pipeline
            for name, value in times.items():
                spent[name] += value
            done += 1
            if len(labels) < batch:
                seen[len(labels)] = content
                labels.append(int(stored.labels[draw % len(stored.labels)]))
            if (passed := clock() - began) - told > 1:
                told = passed
                tell(f"stage by stage, 1 thread: {done} images")
            if passed >= 0.9 * seconds:
                break
        if not done:
            return {}
    spent = {name: value / done for name, value in spent.items()}
    if recipe.augment.mix is None:
        return spent
    images, rounds, at = seen[: len(labels)], 0, clock()
    targets = soft_targets(np.array(labels), len(source.classes), recipe.loss.label_smoothing)
    while clock() - at < 0.1 * seconds or not rounds:
        mixed_batch(images, targets, recipe.augment.mix, seed, 1, rounds)
        rounds += 1
    return {**spent, "mix": (clock() - at) / (rounds * len(labels))}
