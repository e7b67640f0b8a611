"""The verb `validate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime.checkpoint.load import load_weights
from runtime.cli.options import (
    By,
    Classes,
    ClassOrder,
    Data,
    Distributed,
    In,
    Json,
    Overwrite,
    SpecOf,
    Threads,
    TrainName,
    ValName,
    Weights,
    WeightsFile,
    require_free,
)
from runtime.cli.per_class import say_classes, write_figures
from runtime.cli.terminal import Status, console_for, say
from runtime.data.held_out import Asked
from runtime.infer.backend import backend as backend_of
from runtime.infer.validate import validate as run
from runtime.jobs.world import SOLO
from runtime.msrun import alone
from runtime.recipe.schema import DeviceGroup
from runtime.train.engine import framework


def validate(
    checkpoint: WeightsFile,
    data: Data,
    batch: Annotated[int | None, typer.Option(min=1, help="Images at once; default: as in training.")] = None,
    weights: Weights = "raw",
    spec: SpecOf = None,
    backend: By = "mindspore",
    precision: In = "float32",
    threads: Threads = None,
    classes: Classes = None,
    class_order: ClassOrder = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    by_class: Annotated[
        bool, typer.Option("--per-class", help="Also recall, precision and F1 of each class, worst first.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="A .csv or .html file: figures of each class, and the confusion matrix."
        ),
    ] = None,
    overwrite: Overwrite = False,
    distributed: Distributed = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy and loss of a checkpoint on held-out images.

    Each image counts once, on however many workers.
    """
    if out is not None:
        if out.suffix.lower() not in (".csv", ".html"):
            raise typer.BadParameter("-o takes a file that ends in .csv or .html")
        require_free(out, overwrite, checkpoint)
    by, read = backend_of(backend), load_weights(checkpoint, spec=spec, which=weights)
    console = console_for(as_json)
    say(console, f"validating {checkpoint} ({weights} weights) on {data}")
    asked = Asked(classes, class_order, train_name, val_name)
    with by.session("validate"), Status(console) as now:
        world = SOLO if alone(distributed) else framework().join(DeviceGroup())
        found = run(
            read,
            data,
            by,
            batch=batch,
            precision=precision,
            threads=threads,
            world=world,
            tell=now.tell,
            asked=asked,
        )
    if not world.first:
        return
    if out is not None:
        write_figures(out, found)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for note in found["notes"]:
            say(console, note)
        for bad in found["bad_images"]:
            say(console, f"left out: cannot read {bad}")
        say(
            console,
            f"top-1 {found['top1']:.2%}  top-5 {found['top5']:.2%}  loss {found['loss']:.4f}  "
            f"images {found['images']}",
        )
        say_classes(console, found, by_class=by_class)
