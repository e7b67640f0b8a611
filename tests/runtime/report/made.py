"""Runs as `cmt train` leaves them, written by its own classes; and texts that mean harm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import build, load
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.file import Checkpoint, save_checkpoint
from runtime.recipe.read import load_recipe
from runtime.run.directory import BEST, Metrics, open_run
from runtime.run.facts import facts
from tests.runtime.train.small import SETS

EVIL = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>' & </script> \u2028\u2029 <!-- ]]> 猫\U0001f408"
)


class Source:
    """What a run's first record says of the digits."""

    name, classes = "digits", tuple("0123456789")
    train_size, val_size = 1437, 360
    notes = ("left out of val/: 2 .txt",)


def run_of(folder: Path, *sets: str, classes: tuple[str, ...] = Source.classes, **meta: Any) -> Metrics:
    """A run that has begun, under the digits recipe with `sets`."""
    model = load("cmt_nano", set=SETS)
    source = Source()
    source.classes = classes
    recipe = load_recipe("digits", overrides=sets)
    told = {"device": "CPU", "workers": 1, **facts(model, build(model), recipe, source), **meta}
    log = Metrics(open_run(folder, overwrite=False), **told)
    log.write("compiled", seconds=3.5)
    log.pace.start()
    return log


def epoch(log: Metrics, number: int, scale: float | None = None, **more: Any) -> None:
    """An epoch of 22 steps."""
    log.steps(22 * number, 22, [2.0 / number], 0.002 / number, scale)
    values = {
        "train_loss": 2.0 / number,
        "lr": 0.002 / number,
        "skipped_steps": 0,
        "bad_images": 0,
        "seconds": 7.5,
    }
    log.write("epoch", epoch=number, step=22 * number, images_per_second=190.0 + number, **values, **more)


def validated(number: int) -> dict[str, float]:
    """What an epoch's validation adds."""
    return {"top1": 1 - 0.5 / number, "top5": 1 - 0.1 / number, "val_loss": 1.5 / number, "images": 360}


def complete(folder: Path, epochs: int = 3, **meta: Any) -> Path:
    """A run that ended well, with its best checkpoint."""
    log = run_of(folder, f"train.epochs={epochs}", **meta)
    for number in range(1, epochs + 1):
        epoch(log, number, **validated(number))
    log.write("end", steps=22 * epochs, **validated(epochs))
    save_checkpoint(folder / BEST, checkpoint_of(epoch=epochs))
    return folder


def checkpoint_of(**edits: Any) -> Checkpoint:
    """Of the small CMT for digits, with weights that were drawn, a bias among them."""
    model = load("cmt_nano", set=SETS)
    graph = build(model)
    arrays = initial(graph, 3)
    arrays["head.fc.bias"] = np.linspace(-1, 1, 10, dtype=np.float32)
    made = Checkpoint(arrays, model.resolved(), graph.fingerprint, Source.classes, load_recipe("digits").resolved(),
                      {"top1": 0.8}, 3, 66, "digits")  # fmt: skip
    return replace(made, **edits)


def events(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, read as plainly as can be."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
