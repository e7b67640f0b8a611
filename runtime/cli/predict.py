"""The verb `predict`: what a checkpoint says of image files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cmt_dsl.draw.units import plain
from runtime.atomic import write_atomically
from runtime.checkpoint.load import load_weights
from runtime.cli.options import By, Classes, In, Json, SpecOf, Threads, Weights, WeightsFile
from runtime.infer.backend import backend as backend_of
from runtime.infer.gather import expand
from runtime.infer.predict import Predicted, shown_names
from runtime.infer.predict import predict as answer
from runtime.report.predicted import predict_page


def predict(
    checkpoint: WeightsFile,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Files, folders or patterns.")],
    top: Annotated[int, typer.Option(min=1, help="Classes an image.")] = 5,
    html: Annotated[
        Path | None,
        typer.Option(help="Also a page with heat maps: what each place added to a class's logit."),
    ] = None,
    weights: Weights = "raw",
    spec: SpecOf = None,
    classes: Classes = None,
    backend: By = "mindspore",
    precision: In = "float32",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Name the likeliest classes of images.

    One that cannot be read is named and left out, with exit code 1.
    """
    paths = expand(images)
    found = load_weights(checkpoint, spec=spec, which=weights)
    names = shown_names(found, classes)

    def tell(done: int, of: int) -> None:
        if len(paths) > 1 and not as_json:
            typer.echo(f"\r{done} of {of} images", nl=done == of, err=True)

    by = backend_of(backend)
    with by.session("predict"):
        made = answer(
            found, paths, by, precision=precision, threads=threads, top=top, progress=tell, names=names
        )
    facts: dict[str, Any] = {"checkpoint": str(checkpoint), "model": found.model.name, "weights": found.which,
                             "backend": by.name}  # fmt: skip
    if as_json:
        bad = [{"image": name, "reason": reason} for name, reason in made.bad]
        rows = [each.json() for each in made.predictions]
        typer.echo(json.dumps({**facts, "no_heat": made.no_heat, "predictions": rows, "bad": bad}))
    else:
        _print(made)
    for name, reason in made.bad:
        typer.echo(f"left out: cannot read {name}: {reason}", err=True)
    if html is not None:
        shown = {"model": facts["model"], "weights": facts["weights"], "by": facts["backend"]}
        text = predict_page(checkpoint.name, shown, made).encode()
        write_atomically(html, text)
        typer.echo(f"{html}: {len(text):,} bytes", err=True)
    if made.bad:
        raise typer.Exit(1)


def _print(made: Predicted) -> None:
    for each in made.predictions:
        likely = ", ".join(f"{plain(g.name)} {g.probability:.2%}" for g in each.guesses)
        typer.echo(f"{plain(each.image.name)}: {likely}")
