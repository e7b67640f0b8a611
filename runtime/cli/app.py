"""The command `cmt`: every verb, one way to report what went wrong."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from cmt_dsl import __version__
from cmt_dsl.errors import CmtError
from runtime.cli import checkpoints, data, diff, doctor, draw, launch, predict, recipe, spec, train, weights
from runtime.cli import report as reports
from runtime.cli.terminal import patient

app = typer.Typer(
    name="cmt",
    help="Define, inspect, train and validate hybrid CNN-transformer models written in YAML.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in ("list_", "check", "show", "cost", "resolve", "schema", "compile_"):
    app.command(verb.rstrip("_"))(getattr(spec, verb))
for verb in ("draw", "compare"):
    app.command(verb)(getattr(draw, verb))
for verb in ("train", "validate"):
    app.command(verb)(getattr(train, verb))
app.command("diff")(patient(diff.diff))
for verb in ("convert", "adapt", "run", "features"):
    app.command(verb)(patient(getattr(weights, verb)))
app.add_typer(data.app)
app.command("doctor")(doctor.doctor)
app.command("launch")(launch.launch)
app.command("inspect")(checkpoints.inspect)
for verb in ("verify", "average"):
    app.command(verb)(patient(getattr(checkpoints, verb)))
app.command("report")(reports.report)
app.command("predict")(predict.predict)
app.add_typer(recipe.app, name="recipe")


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
