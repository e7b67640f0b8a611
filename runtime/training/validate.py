"""Validate a checkpoint: it brings its own spec, so nothing else is needed but data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, load_checkpoint
from runtime.checkpoint.verify import require_fit
from runtime.data.source import View, open_source, require_classes
from runtime.data.unreadable import LeftOut
from runtime.device.world import SOLO, World
from runtime.launch.pulse import Pulse
from runtime.recipe.read import recipe_from
from runtime.recipe.schema import DeviceGroup


def restore(path: str | Path) -> tuple[Checkpoint, Any, Any]:
    """(checkpoint, spec, graph) of a file whose every weight fits its spec, with no framework; CMT-6xx."""
    from cmt_dsl import build
    from cmt_dsl.api import load_text

    checkpoint = load_checkpoint(path)
    spec = load_text(checkpoint.spec_text, name="<checkpoint>")
    graph = build(spec)
    if graph.fingerprint != checkpoint.fingerprint:
        raise CmtError(
            "CMT-604",
            f"{path} holds a graph {checkpoint.fingerprint[:12]}, its spec now builds "
            f"{graph.fingerprint[:12]}",
            hint=f"it was written by cmt-dsl {checkpoint.versions.get('cmt-dsl')}"
            "; a block or profile has changed its meaning since",
        )
    require_fit(path, graph, checkpoint.arrays)
    return checkpoint, spec, graph


def validate(
    path: str | Path,
    data: str,
    batch: int | None = None,
    device: DeviceGroup | None = None,
    weights: str = "raw",
    world: World = SOLO,
    tell: Callable[..., object] = lambda text, **options: None,
) -> dict[str, Any]:
    """{"top1", "top5", "loss", "images", …} of a checkpoint's raw or ema weights on the held-out images of `data`.

    `tell` is given what is being done, in words, with `step=True` where a new step begins.
    """
    from cmt_dsl import to_cell
    from cmt_dsl.lower.weights import write
    from runtime.device.environment import set_device
    from runtime.training.evaluate import evaluate
    from runtime.training.step import in_precision

    checkpoint, spec, graph = restore(path)
    recipe = recipe_from(checkpoint.recipe) if checkpoint.recipe else None  # converted weights bring none
    group = recipe.data if recipe else None
    source = open_source(data, View.of(spec, group.eval_crop if group else None), group=group)
    require_classes(source, spec.classes, checkpoint.classes)
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

    found = evaluate(in_precision(cell, used.amp, used.amp_dtype), source, batch, look, world)
    left_out = LeftOut(source, world, group.max_bad if group else 0)
    left_out.news()
    pulse.beat("ended")
    return {
        "checkpoint": str(path),
        "model": spec.name,
        "fingerprint": checkpoint.fingerprint,
        "data": source.name,
        "device": target,
        "epoch": checkpoint.epoch,
        "weights": weights,
        "bad_images": [f"{bad.name}: {bad.reason}" for bad in left_out.all],
        **found,
    }
