"""The command `cmt`: every verb, one way to report what went wrong."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cmt_dsl import __version__
from cmt_dsl.errors import CmtError
from runtime.cli.terminal import patient

PANELS = {
    "Models": {
        "list": "spec:list_",
        "check": "check:check",
        "show": "spec:show",
        "cost": "spec:cost",
        "draw": "draw:draw",
        "diff": "diff:diff",
        "compare": "draw:compare",
        "resolve": "spec:resolve",
        "schema": "spec:schema",
        "compile": "spec:compile_",
    },
    "Training": {
        "train": "train:train",
        "launch": "launch:launch",
        "validate": "validate:validate",
        "predict": "predict:predict",
        "report": "report:report",
        "recipe": "recipe:app",
    },
    "Checkpoints": {
        "inspect": "checkpoints:inspect",
        "verify": "checkpoints:verify",
        "average": "checkpoints:average",
        "convert": "weights:convert",
        "adapt": "weights:adapt",
        "run": "compute:run",
        "features": "compute:features",
        "weights": "published:app",
    },
    "Deployment": {
        "export": "export:export",
        "verify-export": "verify_export:verify_export",
        "optimise": "optimise:optimise",
        "bench": "bench:app",
    },
    "Data": {"data": "data:app"},
    "Machine": {"doctor": "doctor:doctor"},
}
"""Of `cmt --help`, in this order: each verb's module and function, or its group of verbs. Imported when it is asked for."""

SLOW = {"diff", "draw", "optimise", "convert", "adapt", "run", "features", "verify", "average"}
"""Verbs that are silent while they work: after a second they say that they do."""

HELP = {"help_option_names": ["-h", "--help"]}


class Verbs(TyperGroup):
    """The verbs of `PANELS`, each in a module that is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for verbs in PANELS.values() for name in verbs]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            for panel, verbs in PANELS.items():
                if cmd_name in verbs:
                    self.commands[cmd_name] = _command(panel, cmd_name, verbs[cmd_name])
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.list_commands(ctx):  # the message will name the nearest
            for name in self.list_commands(ctx):
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def _command(panel: str, name: str, place: str) -> Any:
    module, _, what = place.partition(":")
    found: Any = getattr(importlib.import_module(f"runtime.cli.{module}"), what)
    whole = typer.Typer(add_completion=False, context_settings=HELP)
    if isinstance(found, typer.Typer):
        whole.add_typer(found, name=name, rich_help_panel=panel)
        made: Any = typer.main.get_command(whole)
        return made.commands[name]
    whole.command(name, rich_help_panel=panel)(patient(found) if name in SLOW else found)
    return typer.main.get_command(whole)


app = typer.Typer(
    name="cmt",
    cls=Verbs,
    help="Define, inspect, train and validate hybrid CNN-transformer models written in YAML.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)


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
