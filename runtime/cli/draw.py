"""The verbs that show models: draw, compare, and what `diff` does with two specs."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cmt_dsl import Graph, Model, cost
from cmt_dsl.diff import Difference
from cmt_dsl.diff import diff as compare_models
from cmt_dsl.draw import compose
from cmt_dsl.draw.family import member
from cmt_dsl.draw.family import plot as scatter
from cmt_dsl.draw.page import explorer
from cmt_dsl.draw.render import render
from cmt_dsl.draw.sheet import sheet
from cmt_dsl.draw.sides import side_by_side
from cmt_dsl.draw.tree import tree
from cmt_dsl.draw.write import write
from cmt_dsl.ir import GraphLevel
from runtime.atomic import write_atomically
from runtime.cli.compare import print_difference, print_family
from runtime.cli.model import built, built_all
from runtime.cli.options import Json, Sets, file_or_name
from runtime.cli.terminal import table_console


class Format(str, Enum):
    """What `cmt draw` writes."""

    txt = "txt"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"
    png = "png"
    html = "html"


Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="File to write; - is stdout. Its ending may say the format."),
]
ENDINGS = {
    ".txt": "txt",
    ".mmd": "mermaid",
    ".md": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    **{f".{name}": name for name in ("svg", "png", "html")},
}


Optimise = Annotated[
    bool, typer.Option("--optimise", help="The model as it is folded for deployment; see cmt optimise.")
]


def draw(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC", help="Model: a shipped name or a YAML file; with --optimise also a checkpoint."
        ),
    ],
    level: Annotated[
        GraphLevel | None,
        typer.Option(help="How deep to go: block, unless you say; an html page starts folded."),
    ] = None,
    path: Annotated[str, typer.Option(help="Only this stage or block, such as stages.2.blocks.0.")] = "",
    format: Annotated[Format | None, typer.Option(help="Default: by the file's ending, else txt.")] = None,
    out: Out = None,
    set: Sets = None,
    fold: Annotated[bool, typer.Option(help="Draw equal neighbouring blocks once, as ×N.")] = True,
    optimise: Optimise = False,
) -> None:
    """Draw a model: tree, Mermaid, DOT, SVG, PNG or an HTML page.

    From its graph, repeated blocks folded to ×N; no framework is loaded.
    """
    chosen = format.value if format else _by_ending(out, tuple(Format)) or "txt"
    model, graph = _folded(spec, set) if optimise else built(spec, set)
    if chosen == "html":
        opened = level or "model"
        _deliver(explorer(model, graph, level=opened, path=path, fold=fold).encode(), out)
        return
    depth = level or "block"
    scene = compose(graph, cost(graph), depth, path, doc=model.spec.doc, fold=fold)
    if chosen == "txt" and _to_terminal(out):
        table_console().print(tree(scene))
        return

    data, notes = write(scene, chosen)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    _deliver(data, out)


def _whole(named: str, sets: list[str] | None) -> tuple[Model, Graph]:
    from runtime.deploy.optimise import read

    model, program = read(named, sets or ())
    return model, program.graph


def _folded(named: str, sets: list[str] | None) -> tuple[Model, Graph]:
    from runtime.deploy.optimise import optimised, read

    found = optimised(*read(file_or_name(named), sets or ()))
    return found.model, found.after.graph


class SidesFormat(str, Enum):
    """What `cmt diff` draws."""

    dot = "dot"
    svg = "svg"
    png = "png"
    html = "html"


def diff_specs(
    a: str,
    b: str | None,
    *,
    sets: list[str] | None = None,
    optimise: bool = False,
    format: str | None = None,
    level: GraphLevel = "stage",
    out: Path | None = None,
    as_json: bool = False,
) -> Difference:
    """Compare two specs and print or draw the difference; `sets` change B.

    With `optimise` both as they are folded, or A with what it is folded to.
    """
    if optimise and b is None:
        sides = _whole(a, sets), _folded(a, sets)
    elif optimise:
        sides = _folded(a, None), _folded(b or a, sets)
    else:
        sides = built(a, None), built(b or a, sets)
    difference = compare_models(*sides)
    if optimise and b is None:
        difference = replace(difference, names=(difference.names[0], f"{difference.names[1]}, folded"))
    chosen = format or _by_ending(out, tuple(SidesFormat))
    if as_json and chosen and _to_terminal(out):
        raise typer.BadParameter("--json and a drawing do not both go to stdout: give -o FILE")
    if as_json:
        typer.echo(json.dumps(difference.json()))
    if chosen:
        _deliver(_sides(difference, (sides[0][1], sides[1][1]), level, chosen), out)
    elif not as_json:
        print_difference(table_console(), difference)
    return difference


def _sides(difference: Difference, graphs: tuple[Graph, Graph], level: GraphLevel, chosen: str) -> bytes:
    a, b = (compose(graph, cost(graph), level) for graph in graphs)
    text = side_by_side(difference, a, b)
    if chosen == "dot":
        return text.encode()
    if chosen == "html":
        return sheet(difference, render(text, "svg").decode()).encode()
    return render(text, "png" if chosen == "png" else "svg")


def compare(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC…", help="Models: shipped names or YAML files.")],
    plot: Annotated[
        Path | None, typer.Option(help="Also draw MACs against parameters and top-1: FILE.svg or FILE.png.")
    ] = None,
    set: Sets = None,
    as_json: Json = False,
) -> None:
    """Put models side by side: parameters, MACs, published top-1."""
    if plot is not None and plot.suffix.lower() not in (".svg", ".png"):
        raise typer.BadParameter("--plot takes a file that ends in .svg or .png")
    members = [member(*found) for found in built_all(specs, set)]
    if as_json:
        typer.echo(json.dumps({"models": [m.json() for m in members]}))
    else:
        print_family(table_console(), members)
    if plot is not None:
        _deliver(scatter(members, plot.suffix.lower()[1:]), plot)


def _by_ending(out: Path | None, formats: tuple[Enum, ...]) -> str | None:
    """The format that a file's ending says; none for stdout."""
    if out is None or _to_terminal(out):
        return None
    found = ENDINGS.get(out.suffix.lower())
    known = [str(each.value) for each in formats]
    if found not in known:
        raise typer.BadParameter(f"{out.name} does not say its format: give --format {'|'.join(known)}")
    return found


def _to_terminal(out: Path | None) -> bool:
    return out is None or str(out) == "-"


def _deliver(data: bytes, out: Path | None) -> None:
    """Write a drawing to its file, or to stdout; a PNG is not shown on a terminal."""
    if out is None or str(out) == "-":
        if not data.startswith(b"\x89PNG"):
            typer.echo(data.decode(), nl=False)
        elif sys.stdout.isatty():
            raise typer.BadParameter("a PNG does not go to a terminal: give -o FILE")
        else:
            typer.echo(data, nl=False)
        return

    write_atomically(out, data)
    typer.echo(f"{out}: {len(data):,} bytes", err=True)
