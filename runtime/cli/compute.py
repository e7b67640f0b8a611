"""The verbs that compute with weights: run, features."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from cmt_dsl import pyramid
from runtime.atomic import write_atomically
from runtime.checkpoint.load import load_weights
from runtime.cli.options import (
    By,
    ClassOrder,
    Data,
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
from runtime.data.held_out import Asked, held_out
from runtime.infer.arrays import in_batches, read_images
from runtime.infer.backend import backend as backend_of
from runtime.infer.backend import loaded


def run(
    checkpoint: WeightsFile,
    input: Annotated[Path, typer.Option(help="Images: a .npy of float32, n × channels × height × width.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Logits: a .npy of float32, n × classes.")],
    backend: By = "mindspore",
    precision: In = "float32",
    threads: Threads = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    weights: Weights = "raw",
    spec: SpecOf = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compute the logits of float32 images, for comparing numbers.

    No augmentation, no normalisation.
    """
    require_free(out, overwrite, checkpoint, input)
    found = load_weights(checkpoint, spec=spec, which=weights)
    images = read_images(input, found.graph)
    by, batch = backend_of(backend), min(batch, len(images))
    with by.session("run"):
        batches = -(-len(images) // batch)
        compute = loaded(
            by, found.program, precision=precision, threads=threads, batch=batch, batches=batches
        )
        logits = np.concatenate([values[0] for values in in_batches(compute, images, batch)])
    _save_array(out, logits)
    facts = {"checkpoint": str(checkpoint), "model": found.model.name, "weights": found.which, "backend": by.name, "out": str(out),
             "shape": list(logits.shape), "largest": float(np.abs(logits).max())}  # fmt: skip
    text = f"{out}: logits {list(logits.shape)} of {found.model.name}'s {found.which} weights by {by.name}"
    typer.echo(json.dumps(facts) if as_json else "\n".join([*found.notes, text]))


def features(
    checkpoint: WeightsFile,
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .npz: one array a path, labels, classes.")],
    at: Annotated[list[str] | None, typer.Option(help="A stage, stem or head. Default: all stages.")] = None,
    pool: Annotated[bool, typer.Option("--pool", help="Average each map: n × channels.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many images.")] = None,
    backend: By = "mindspore",
    precision: In = "float32",
    threads: Threads = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    weights: Weights = "raw",
    spec: SpecOf = None,
    class_order: ClassOrder = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compute feature maps of held-out images at chosen places."""
    require_free(out, overwrite, checkpoint)
    found = load_weights(checkpoint, spec=spec, which=weights)
    paths = tuple(at or pyramid(found.graph))
    for path in paths:
        found.graph.output_of(path)  # an unknown one is reported before anything is computed
    asked = Asked(class_order=class_order, train_name=train_name, val_name=val_name)
    opened = held_out(data, found.model, found.recipe, None, asked, checkpoint)
    source = opened.source
    if not as_json:
        for note in opened.notes:
            typer.echo(note, err=True)
    count = min(limit if limit is not None else source.val_size, source.val_size)
    kept: dict[str, list[Any]] = {path: [] for path in paths}
    labels: list[Any] = []
    by, batch = backend_of(backend), min(batch, count)
    how = {"batch": batch, "batches": -(-count // batch)}
    with by.session("features"):
        compute = loaded(by, found.program, paths, precision=precision, threads=threads, **how)
        for part in source.val(batch):
            rows = min(part.count, count - sum(map(len, labels)))
            for path, value in zip(paths, compute(part.images), strict=True):
                kept[path].append(
                    value[:rows].mean(axis=(2, 3)) if pool and value.ndim == 4 else value[:rows]
                )
            labels.append(part.labels[:rows])
            if not as_json:
                typer.echo(f"\r{sum(map(len, labels))} of {count} images", nl=False, err=True)
            if sum(map(len, labels)) == count:
                break
    if not as_json:
        typer.echo("", err=True)
    arrays = {path: np.concatenate(values) for path, values in kept.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, labels=np.concatenate(labels), classes=np.array(source.classes))  # pyright: ignore
    write_atomically(out, buffer.getbuffer())
    shapes = {path: list(value.shape) for path, value in arrays.items()}
    facts = {"checkpoint": str(checkpoint), "model": found.model.name, "weights": found.which, "out": str(out),
             "shapes": shapes}  # fmt: skip
    text = f"{out}: {', '.join(f'{path} {shape}' for path, shape in shapes.items())}, by the {found.which} weights"
    typer.echo(json.dumps(facts) if as_json else "\n".join([*found.notes, text]))


def _save_array(path: Path, array: Any) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getbuffer())
