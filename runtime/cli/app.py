"""The command `cmt`: every verb, one way to report what went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from typer.core import TyperGroup

from cmt_dsl import __version__
from cmt_dsl.errors import CmtError
from runtime.cli import (
    check,
    checkpoints,
    compute,
    data,
    diff,
    doctor,
    draw,
    launch,
    predict,
    published,
    recipe,
    spec,
    train,
    validate,
    weights,
)
from runtime.cli import report as reports
from runtime.cli.terminal import patient

PANELS = ("Models", "Training", "Checkpoints", "Data", "Machine")
"""Of `cmt --help`, in this order."""


class InPanels(TyperGroup):
    """Verbs and groups of verbs in the order of their panels."""

    def list_commands(self, ctx: object) -> list[str]:
        return sorted(self.commands, key=lambda name: PANELS.index(self.commands[name].rich_help_panel))


app = typer.Typer(
    name="cmt",
    cls=InPanels,
    help="Define, inspect, train and validate hybrid CNN-transformer models written in YAML.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: dict[str, tuple[Callable[..., None], ...]] = {
    "Models": (
        *(spec.list_, check.check, spec.show, spec.cost, draw.draw, diff.diff, draw.compare),
        *(spec.resolve, spec.schema, spec.compile_),
    ),
    "Training": (train.train, launch.launch, validate.validate, predict.predict, reports.report),
    "Checkpoints": (
        *(checkpoints.inspect, checkpoints.verify, checkpoints.average, weights.convert, weights.adapt),
        *(compute.run, compute.features),
    ),
    "Machine": (doctor.doctor,),
}
GROUPS = {"Training": recipe.app, "Checkpoints": published.app, "Data": data.app}
"""Verbs with verbs of their own."""

SLOW = {"diff", "convert", "adapt", "run", "features", "verify", "average"}
"""Verbs that are silent while they work: after a second they say that they do."""

for panel, verbs in VERBS.items():
    for verb in verbs:
        name = verb.__name__.rstrip("_")
        app.command(name, rich_help_panel=panel)(patient(verb) if name in SLOW else verb)
for panel, group in GROUPS.items():
    app.add_typer(group, rich_help_panel=panel)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cmt-dsl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every verb."""


def report(error: CmtError, as_json: bool) -> int:
    """Print an error's problems (as JSON on stdout when asked for); the exit code."""
    if as_json:
        typer.echo(json.dumps({"ok": False, "problems": [p.json() for p in error.problems]}))
    else:
        typer.echo(str(error), err=True)
    return 2


def main() -> None:
    """Run `cmt`; a user's mistake ends in one message and exit code 2, never in a traceback."""
    try:
        app()
    except CmtError as error:
        sys.exit(report(error, "--json" in sys.argv))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our output has gone (`cmt show … | head`): nothing more to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
