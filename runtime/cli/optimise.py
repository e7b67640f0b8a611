"""The verb `optimise`: what folding makes of a model, rule by rule."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from runtime.cli.options import Json, Sets, SpecOf, Weights, file_or_name
from runtime.cli.terminal import table_console
from runtime.deploy.optimise import Figures, Optimised, optimised, read

Flavour = Annotated[
    Literal["plain", "ort", "openvino", "ascend"],
    typer.Option(help="Whom it is folded for: anybody, ONNX Runtime, OpenVINO, Ascend's ATC."),
]


Either = Annotated[
    str,
    typer.Argument(
        metavar="CKPT|SPEC",
        parser=file_or_name,
        help="A checkpoint or pretrained:NAME; or a model, which is given arbitrary weights.",
    ),
]


def optimise(
    model: Either,
    flavour: Flavour = "plain",
    explain: Annotated[bool, typer.Option("--explain", help="Also every place, and each refusal.")] = False,
    weights: Weights = "raw",
    spec: SpecOf = None,
    set: Sets = None,
    as_json: Json = False,
) -> None:
    """Tell what exact folding makes of a model before it leaves.

    Rule by rule, with nodes, parameters and MACs before and after. Nothing is written: `cmt export` folds by itself.
    """
    found = optimised(*read(model, set or (), spec=spec, which=weights), flavour)
    if as_json:
        typer.echo(json.dumps(found.json()))
        return
    console = table_console()
    console.print(Text(f"{found.model.name}, folded for {flavour}", style="bold"))
    console.print(_rules(found))
    if explain:
        for each in found.told():
            times = f" ({each.count} places)" if each.count > 1 else ""
            style = "green" if each.done else "yellow"
            verb = "" if each.done else "stays: "
            head = Text(f"{each.by}: {', '.join(each.paths)}{times}", style=style)
            console.print(head)
            console.print(Text(f"  {verb}{each.words}"))
    elif any(not outcome.done for outcome in found.outcomes):
        console.print(Text("--explain says what was done where, and why the rest stays", style="dim"))
    console.print(_figures(found))


def _rules(found: Optimised) -> Any:
    table = Table(box=None, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    for name in ("done", "refused"):
        table.add_column(name, justify="right")
    for rule in found.rules:
        counts = (found.count(rule, done) for done in (True, False))
        table.add_row(rule, *(str(count) if count else "" for count in counts))
    return table


def _figures(found: Optimised) -> Any:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("before", "after"):
        table.add_column(name, justify="right")
    before, after = Figures.of(found.before.graph), Figures.of(found.after.graph)
    table.add_row("nodes", f"{before.nodes:,}", f"{after.nodes:,}")
    table.add_row("parameters", f"{before.parameters:,}", f"{after.parameters:,}")
    table.add_row("MACs", f"{before.macs:,}", f"{after.macs:,}")
    return table
