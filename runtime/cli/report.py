"""The verb `report`: what runs were and did, from their own files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.options import Json

WIDTH, COLUMN = 80, 19  # of the table; at least, of a run's column


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Directories that cmt train wrote.")],
    as_json: Json = False,
) -> None:
    """Tabulate runs: accuracy, speed, memory and settings.

    In the columns of MindCV's performance tables.
    """
    from runtime.run.record import read_run, summary

    found = [{"run": str(folder), **summary(read_run(folder))} for folder in runs]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from runtime.run.table import columns

    console = Console(file=sys.stdout, width=WIDTH)
    abreast = (WIDTH - 15) // (COLUMN + 2)
    for start in range(0, len(found), abreast):
        block = found[start : start + abreast]
        named = [Column(Text(run["run"]), overflow="fold") for run in block]
        table = Table("run", *named, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        texts = [columns(run) for run in block]
        for name in texts[0]:
            table.add_row(name, *(Text(text[name]) for text in texts))
        if start:
            console.print()
        console.print(table)
