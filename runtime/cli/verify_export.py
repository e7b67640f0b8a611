"""The verb `verify-export`."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.atomic import write_atomically
from runtime.cli.options import (
    Classes,
    ClassOrder,
    Data,
    Json,
    Overwrite,
    Threads,
    TrainName,
    ValName,
    Weights,
    file_or_name,
    require_free,
)
from runtime.cli.terminal import Status, console_for, say
from runtime.data.held_out import Asked
from runtime.deploy.sides import Side, opened
from runtime.deploy.verified import Verified
from runtime.deploy.verify import verify

MOST = 20
"""Rows of the table; the rest is in --json and in the file of -o."""
DISAGREE = 1
"""Exit code."""


def verify_export(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A", parser=file_or_name, help="A checkpoint, or a file of cmt export: what B should be."
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(
            metavar="B", parser=file_or_name, help="Another: .onnx, .xml, .mindir, or a checkpoint."
        ),
    ],
    data: Data,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many images, spread evenly.")] = None,
    backend_a: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What computes A. Default: numpy, the definition; a file's own runtime."
        ),
    ] = None,
    backend_b: Annotated[str | None, typer.Option(metavar="NAME", help="What computes B.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    allowed: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Largest difference / largest |logit|. Default: 1e-4; fp16 0.01, bf16 0.05, int8: see --agree.",
        ),
    ] = None,
    agree: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of images to be decided alike. Default: int8 0.99, else any."),
    ] = None,
    weights: Weights = "raw",
    threads: Threads = None,
    classes: Classes = None,
    class_order: ClassOrder = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A .csv file: one line an image.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compare two programs image by image: logits and decisions.

    Exit code 1 where they differ by more than is allowed.
    """
    for name, value in (("--allowed", allowed), ("--agree", agree)):
        if value is not None and not math.isfinite(value):
            raise typer.BadParameter(f"{name} takes a number")
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise typer.BadParameter("-o takes a file that ends in .csv")
        require_free(out, overwrite, Path(a), Path(b))
    console = console_for(as_json)
    asked = Asked(classes, class_order, train_name, val_name)
    with contextlib.ExitStack() as held, Status(console) as now:
        sides: list[Side] = []
        for text, by in ((a, backend_a), (b, backend_b)):
            now.tell(f"opening {text} …", step=True)
            sides.append(opened(text, by, held, which=weights, batch=batch, threads=threads))
        one, other = sides
        found = verify(
            one, other, data, asked=asked, limit=limit, batch=batch, allowed=allowed, agree=agree,
            named=out is not None, tell=now.tell,
        )  # fmt: skip
    if out is not None:
        write_atomically(out, found.csv().encode())
    if as_json:
        typer.echo(json.dumps(found.json()))
    else:
        _say(console, found)
    if found.why_not:
        raise typer.Exit(DISAGREE)


def _say(console: Any, found: Verified) -> None:
    for note in found.notes:
        say(console, note)
    top1, right = found.top1(), found.right()
    say(console, f"A  {found.a} by {found.by[0]}: top-1 {top1[0]:.2%}")
    say(console, f"B  {found.b} by {found.by[1]}: top-1 {top1[1]:.2%}")
    say(
        console,
        f"{found.compared} of {len(found.rows):,} images of {found.data}: largest difference {found.largest:.3g}, "
        f"mean {found.mean:.3g}; largest |{found.compared}| {found.scale:.4g}: relative {found.relative:.3g}",
    )
    count = len(found.differing)
    say(console, f"same decision: {len(found.rows) - count:,} of {len(found.rows):,}")
    if count:
        say(console, f"where they differ: A right {right[0]}, B right {right[1]}, neither {right[2]}")
        _table(console, found)
    say(console, f"DISAGREE: {found.why_not}" if found.why_not else _agreed(found))


def _agreed(found: Verified) -> str:
    if found.allowed is None:
        return f"they agree: {found.agreeing:.2%} decided alike, {found.agree:.2%} wanted"
    return f"they agree: relative {found.relative:.3g}, {found.allowed:g} allowed"


def _table(console: Any, found: Verified) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("image", "class", "A", "B", "difference"):
        table.add_column(name, justify="right" if name == "difference" else "left", overflow="fold")
    for row in found.differing[:MOST]:
        names = [found.name(number) for number in (row.label, row.a, row.b)]
        table.add_row(*(escape(text) for text in (row.image, *names)), f"{row.largest:.3g}")
    console.print(table)
    if len(found.differing) > MOST:
        say(console, f"… and {len(found.differing) - MOST:,} more: -o FILE.csv has them all")
