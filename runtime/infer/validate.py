"""Validate weights: a checkpoint brings its own spec, so nothing else is needed but data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.checkpoint.load import Imported
from runtime.data.held_out import Asked, held_out
from runtime.infer.backend import Backend, Precision, loaded
from runtime.infer.evaluate import evaluate
from runtime.infer.per_class import per_class, summary
from runtime.jobs.left_out import LeftOut
from runtime.jobs.pulse import Pulse
from runtime.jobs.world import SOLO, World


def _silent(text: str, *, step: bool = False) -> None:
    """Where nobody looks on."""


def validate(
    found: Imported,
    data: str,
    by: Backend,
    *,
    batch: int | None = None,
    precision: Precision = "float32",
    threads: int | None = None,
    world: World = SOLO,
    tell: Callable[..., object] = _silent,
    asked: Asked | None = None,
) -> dict[str, Any]:
    """{"top1", "top5", "loss", "images", …} of a file's weights on the held-out images of `data`, by a backend.

    "per_class" are the figures of each class, "confusion" the matrix [true class, answered class] as lists, and
    "notes" what a person should know of the weights, the data and its classes. `batch` None takes the one of training.

    `tell` is given what is being done, in words, with `step=True` where a new step begins.
    """
    checkpoint, graph = found.checkpoint, found.graph
    opened = held_out(data, found.model, found.recipe, found.class_names, asked, found.path)
    source, recipe = opened.source, opened.recipe
    facts = {
        "checkpoint": graph.fingerprint,
        "step": checkpoint.step if checkpoint else None,
        "weights": found.which,
        "data": [source.val_size, *source.classes],
    }
    world.require_equal(**facts)
    if batch is None:
        batch = recipe.train.batch if recipe else 32
    batch = min(batch, source.val_size)
    pulse = Pulse(world)
    pulse.beat("compiling")
    tell(f"preparing {by.name} for {source.val_size:,} images …", step=True)

    def look(done: int) -> None:
        pulse.beat("validating", done)
        tell(f"validating: {min(done * world.size, source.val_size):,} of {source.val_size:,} images")

    batches = -(-source.val_size // (batch * world.size))
    compute = loaded(by, found.program, precision=precision, threads=threads, batch=batch, batches=batches)
    measured = evaluate(compute, source, batch, look, world)
    left_out = LeftOut(source, world, recipe.data.max_bad if recipe else 0)
    left_out.news()
    pulse.beat("ended")
    figures = per_class(measured.confusion, source.classes)
    return {
        "checkpoint": str(found.path),
        "model": found.model.name,
        "fingerprint": graph.fingerprint,
        "data": source.name,
        "backend": by.name,
        "device": by.device(),
        "precision": precision,
        "epoch": checkpoint.epoch if checkpoint else None,
        "weights": found.which,
        "bad_images": [f"{bad.name}: {bad.reason}" for bad in left_out.all],
        "notes": [*found.notes, *opened.notes],
        "top1": measured.top1,
        "top5": measured.top5,
        "loss": measured.loss,
        "images": measured.images,
        "seconds": measured.seconds,
        **summary(figures, measured.unanswered),
        "confusion": measured.confusion.tolist(),
        "per_class": [each.json() for each in figures],
    }
