"""The verb `doctor`."""

from __future__ import annotations

import json

import typer
from rich.markup import escape
from rich.table import Table

from runtime.cli.options import Json
from runtime.cli.terminal import console_for
from runtime.device.doctor import doctor as look
from runtime.device.environment import native_noise_to, temporary_log


def doctor(as_json: Json = False) -> None:
    """Show what this machine has, what is wrong, and the fix.

    Exit code 1 if something fails.
    """
    with temporary_log("doctor") as log, native_noise_to(log):
        rows = look()
    if as_json:
        typer.echo(json.dumps([row._asdict() for row in rows]))
    else:
        table = Table("", "name", "value", "fix", box=None, pad_edge=False)
        marks = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}
        for row in rows:
            table.add_row(marks[row.state], row.name, escape(row.value), escape(row.fix))
        console_for(as_json).print(table)
    if any(row.state == "fail" for row in rows):
        raise typer.Exit(1)
