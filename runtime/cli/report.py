"""The verb `report`: what runs were and did, from their own files; as a table, JSON, a page or a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.options import By, Json, TrainName, ValName

if TYPE_CHECKING:
    from runtime.data.held_out import Asked
    from runtime.report.predictions import Predictions

WIDTH, COLUMN = 80, 19  # of the table; at least, of a run's column


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories that cmt train wrote.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="FILE.html: a page; FILE.png: the curves.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="For the page: look at these held-out images once with each run's best checkpoint."
        ),
    ] = None,
    backend: By = "mindspore",
    train_name: TrainName = None,
    val_name: ValName = None,
    as_json: Json = False,
) -> None:
    """Tabulate and draw runs: accuracy, speed, memory, settings.

    In the columns of MindCV's performance tables.
    """
    from runtime.run.record import read_run, summary

    kind = None if out is None else out.suffix.lower()
    if kind not in (None, ".html", ".png"):
        raise typer.BadParameter("-o takes a file that ends in .html (a page) or .png (the curves)")
    if data is not None and kind != ".html":
        raise typer.BadParameter("--data is for the page: give -o FILE.html too")
    records = [read_run(folder) for folder in runs]
    if as_json:
        found = [{"run": str(folder), **summary(run)} for folder, run in zip(runs, records, strict=True)]
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif out is None:
        _print_table([(str(folder), summary(run)) for folder, run in zip(runs, records, strict=True)])
    if out is None:
        return
    from runtime.atomic import write_atomically
    from runtime.data.held_out import Asked
    from runtime.data.stores.walk import printable
    from runtime.sharing import names_of

    names = [printable(name) for name in names_of(runs)]
    if kind == ".png":
        from runtime.report.plot import curves_picture

        made = curves_picture(records, names)
    else:
        from runtime.report.page import report_page

        made = report_page(
            records, names, _predicted(runs, data, backend, Asked(None, None, train_name, val_name))
        ).encode()
    write_atomically(out, made)
    typer.echo(f"{out}: {len(made):,} bytes", err=True)


def _predicted(runs: list[Path], data: str | None, backend: str, asked: Asked) -> list[Predictions | None]:
    """What each run has, after looking at `data` where that is asked for."""
    from runtime.report.predictions import read_predictions

    if data is None:
        return [read_predictions(folder) for folder in runs]
    from runtime.infer.backend import backend as backend_of
    from runtime.report.judge import predictions_of

    by = backend_of(backend)
    found: list[Predictions | None] = []
    for folder in runs:

        def tell(done: int, of: int, folder: Path = folder) -> None:
            typer.echo(f"\r{folder}: {done} of {of} images", nl=done == of, err=True)

        made, known = predictions_of(folder, data, by=by, asked=asked, progress=tell)
        if known:
            typer.echo(f"{folder}: predictions of {made.facts['checkpoint']} are there already", err=True)
        found.append(made)
    return found


def _print_table(found: list[tuple[str, dict[str, object]]]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from runtime.run.table import columns

    console = Console(file=sys.stdout, width=WIDTH)
    abreast = (WIDTH - 15) // (COLUMN + 2)
    for start in range(0, len(found), abreast):
        block = found[start : start + abreast]
        named = [Column(Text(name), overflow="fold") for name, _ in block]
        table = Table("run", *named, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        texts = [columns(run) for _, run in block]
        for name in texts[0]:
            table.add_row(name, *(Text(text[name]) for text in texts))
        if start:
            console.print()
        console.print(table)
