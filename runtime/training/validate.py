"""Validate a checkpoint: it brings its own spec, so nothing else is needed but data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.checkpoint.load import restore
from runtime.data.held_out import Asked, held_out
from runtime.data.unreadable import LeftOut
from runtime.device.world import SOLO, World
from runtime.launch.pulse import Pulse
from runtime.recipe.schema import DeviceGroup
from runtime.training.per_class import per_class, summary


def validate(
    path: str | Path,
    data: str,
    batch: int | None = None,
    device: DeviceGroup | None = None,
    weights: str = "raw",
    world: World = SOLO,
    tell: Callable[..., object] = lambda text, **options: None,
    asked: Asked | None = None,
) -> dict[str, Any]:
    """{"top1", "top5", "loss", "images", …} of a checkpoint's raw or ema weights on the held-out images of `data`.

    "per_class" are the figures of each class, "confusion" the matrix [true class, answered class] as lists, and
    "notes" what a person should know of the data and its classes.

    `tell` is given what is being done, in words, with `step=True` where a new step begins.
    """
    from cmt_dsl import to_cell
    from cmt_dsl.lower.weights import write
    from runtime.device.environment import set_device
    from runtime.training.evaluate import evaluate
    from runtime.training.step import in_precision

    checkpoint, spec, graph = restore(path)
    opened = held_out(data, spec, checkpoint.recipe, checkpoint.classes, asked, Path(path))
    source, recipe = opened.source, opened.recipe
    used = device if device is not None else DeviceGroup()
    target = set_device(used)
    cell = to_cell(graph, seed=0)
    write(cell, graph, checkpoint.weights(weights))
    facts = {
        "checkpoint": checkpoint.fingerprint,
        "step": checkpoint.step,
        "weights": weights,
        "data": [source.val_size, *source.classes],
    }
    world.require_equal(**facts)
    if batch is None:
        batch = recipe.train.batch if recipe else 32
    pulse = Pulse(world)
    pulse.beat("compiling")
    tell(f"compiling graph for {source.val_size:,} images …", step=True)

    def look(done: int) -> None:
        pulse.beat("validating", done)
        tell(f"validating: {min(done * world.size, source.val_size):,} of {source.val_size:,} images")

    net = in_precision(cell, used.amp, used.amp_dtype)
    found = evaluate(net, source, batch, look, world, confusion=True)
    left_out = LeftOut(source, world, recipe.data.max_bad if recipe else 0)
    left_out.news()
    pulse.beat("ended")
    figures = per_class(found["confusion"], source.classes)
    return {
        "checkpoint": str(path),
        "model": spec.name,
        "fingerprint": checkpoint.fingerprint,
        "data": source.name,
        "device": target,
        "epoch": checkpoint.epoch,
        "weights": weights,
        "bad_images": [f"{bad.name}: {bad.reason}" for bad in left_out.all],
        "notes": list(opened.notes),
        **found,
        **summary(figures, found["unanswered"]),
        "confusion": found["confusion"].tolist(),
        "per_class": [each.json() for each in figures],
    }
