"""The verb `diff`: of two specs, or of two checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import GraphLevel
from cmt_dsl.spec.find import find
from runtime.checkpoint.kind import is_weights
from runtime.cli.draw import Out, SidesFormat, diff_specs
from runtime.cli.options import Json, file_or_name

Depth = Literal[GraphLevel, "param"]
"""How deep `cmt diff` goes."""


def diff(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            parser=file_or_name,
            help="A model (a shipped name or a YAML file), a checkpoint, or pretrained:NAME.",
        ),
    ],
    b: Annotated[
        str | None,
        typer.Argument(
            metavar="B",
            parser=file_or_name,
            help="Another of the same kind; may be left out with --optimise.",
        ),
    ] = None,
    format: Annotated[SidesFormat | None, typer.Option(help="Draw both models, side by side.")] = None,
    level: Annotated[
        Depth | None,
        typer.Option(
            help="Of a drawing: model to op, else stage. Of checkpoints: stage, block or param, else block."
        ),
    ] = None,
    out: Out = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change model B. Repeatable.")
    ] = None,
    optimise: Annotated[
        bool,
        typer.Option(
            "--optimise", help="Both as they are folded for deployment; A alone with what it becomes."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what differs between two models or two checkpoints.

    Exit code 0 either way.
    """
    if b is None and not optimise:
        raise typer.BadParameter(
            "B is missing; with --optimise A alone is compared with what it is folded to"
        )
    kinds = {False} if optimise or b is None else {is_weights(Path(a)), is_weights(Path(b))}
    b_given = b or a
    if kinds == {True, False}:
        for path in (a, b_given):
            if not is_weights(Path(path)):
                find(path, "models")  # what is not there at all is no spec either
        raise CmtError(
            "CMT-613",
            "cmt diff compares two specs or two checkpoints, not one with the other",
            hint="cmt verify CKPT --spec SPEC checks a checkpoint against a spec",
        )
    if kinds == {False}:
        shown: Any = _depth(level, "stage", ("model", "stage", "block", "op"))
        drawn = format.value if format else None
        how: Any = {"format": drawn, "level": shown, "out": out, "as_json": as_json}
        diff_specs(a, b, sets=set, optimise=optimise, **how)
        return
    if format or out or set:
        raise typer.BadParameter("--format, --out and --set are for specs, not for checkpoints")

    from runtime.checkpoint.compare import diff_checkpoints
    from runtime.cli.checkpoint_text import comparison

    depth: Any = _depth(level, "block", ("stage", "block", "param"))
    found = diff_checkpoints(Path(a), Path(b_given), depth)
    if as_json:
        typer.echo(json.dumps(found.json()))
    else:
        comparison(found)


def _depth(asked: Depth | None, usual: str, known: tuple[str, ...]) -> str:
    if asked is not None and asked not in known:
        raise typer.BadParameter(f"--level {asked} does not fit these files; one of {', '.join(known)}")
    return usual if asked is None else asked
