"""The verb `export`: a checkpoint as a file for other runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime.checkpoint.load import load_weights
from runtime.cli.options import Classes, Json, Overwrite, SpecOf, Weights, WeightsFile
from runtime.cli.terminal import Status, console_for, say
from runtime.data.classes import class_names
from runtime.deploy.export import wish as wishes
from runtime.deploy.export.export import ENDINGS, require_out
from runtime.deploy.export.export import export as carry_out
from runtime.deploy.quantise.exporting import asked as asked_int8
from runtime.deploy.quantise.ranges import Method
from runtime.published.reference import beside


def export(
    checkpoint: WeightsFile,
    format: Annotated[
        wishes.Kind,
        typer.Option(
            help="onnx; openvino: a folder with model.xml and .bin; mindir: MindSpore's; om: Ascend's, by atc; "
            "hub: a folder for model hubs."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file or folder. Default: beside FILE.")
    ] = None,
    precision: Annotated[
        wishes.Precision | None, typer.Option(help="Of weights and products. Default: fp32; om: fp16.")
    ] = None,
    flavour: Annotated[
        wishes.Flavour | None, typer.Option(help="Whom an ONNX file is for. Default: plain, for anybody.")
    ] = None,
    opset: Annotated[int | None, typer.Option(help="ONNX's, 17 to 22. Default: 17.")] = None,
    batch: Annotated[
        str | None,
        typer.Option(metavar="N|dynamic", help="Images at once. Default: dynamic; mindir and om: 1."),
    ] = None,
    preprocess: Annotated[
        bool,
        typer.Option(
            "--preprocess", help="Take pixels, uint8 n × height × width × 3, and give probabilities."
        ),
    ] = False,
    optimise: Annotated[
        bool | None,
        typer.Option(
            "--optimise/--no-optimise",
            help="Fold the graph first. Default: yes; hub: never.",
            show_default=False,
        ),
    ] = None,
    soc_version: Annotated[
        str | None, typer.Option(help="The processor for atc, such as Ascend310P3.")
    ] = None,
    license: Annotated[str | None, typer.Option(help="What the card of a hub folder says.")] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR|digits", help="int8: calibrate on its training images, measure held-out."),
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="int8: to calibrate on. Default: 200.")] = None,
    calibrate: Annotated[
        Method | None, typer.Option(help="int8: how ranges are read off. Default: minmax.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="int8: kinds, stages or nodes left in float.")
    ] = None,
    quantise: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="int8: take these too: first, product, classifier, or nodes."),
    ] = None,
    weight_bits: Annotated[
        int | None, typer.Option(min=7, max=8, help="int8: 7 for x86 without VNNI. Default: as here.")
    ] = None,
    allowed_loss: Annotated[
        float | None, typer.Option(min=0, help="int8: points of top-1 it may lose. Default: 1.0.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="int8: held-out images to measure on. Default: all.")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="int8: show what each stage and kind of node costs.")
    ] = False,
    weights: Weights = "raw",
    spec: SpecOf = None,
    classes: Classes = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Export a model as ONNX, OpenVINO, MindIR, OM or for a hub.

    Each export is read back, compared with the NumPy reference, and only then gets its name.
    """
    asked = wishes.wish(
        format,
        precision=precision,
        flavour=flavour,
        opset=opset,
        batch=batch,
        preprocess=preprocess,
        optimise=optimise,
        soc=soc_version,
        license=license,
    )
    said = {"images": images, "allowed": allowed_loss, "limit": limit, "sensitivity": sensitivity}
    said |= {"method": calibrate, "weight_bits": weight_bits}
    int8 = asked_int8(precision, data, said, keep=keep or [], quantise=quantise or [])
    out = out if out is not None else beside(checkpoint, checkpoint.with_suffix(ENDINGS[format]))
    require_out(out, format, checkpoint, overwrite)
    found = load_weights(checkpoint, spec=spec, which=weights)
    if classes is not None:
        found = found.named(class_names(classes), classes)
    console = console_for(as_json)
    with Status(console) as now:
        made = carry_out(found, asked, out, overwrite=overwrite, tell=now.tell, int8=int8)
    if as_json:
        facts = {"checkpoint": str(checkpoint), "model": found.model.name, "weights": found.which}
        typer.echo(json.dumps({**facts, **made.json(), "notes": [*found.notes, *made.notes]}))
        return
    for note in [*found.notes, *made.notes]:
        say(console, note)
    for other in made.beside:
        say(console, f"{other}: beside it")
    if made.int8 is not None and made.int8.blame is not None:
        for line in made.int8.blame.table():
            say(console, line)
    say(console, made.text())
