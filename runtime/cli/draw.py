"""The verbs that show models: draw, compare, and `diff` of two specs."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmt_dsl.errors import CmtError
from runtime.cli.spec import Json, Level, Sets, Spec

if TYPE_CHECKING:
    from cmt_dsl import Graph, Model


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
ENDINGS = {".txt": "txt", ".mmd": "mermaid", ".md": "mermaid", ".dot": "dot", ".gv": "dot"}
ENDINGS |= {f".{name}": name for name in ("svg", "png", "html")}


def draw(
    spec: Spec,
    level: Annotated[
        Level | None, typer.Option(help="How deep to go: block, unless you say; an html page starts folded.")
    ] = None,
    path: Annotated[str, typer.Option(help="Only this stage or block, such as stages.2.blocks.0.")] = "",
    format: Annotated[Format | None, typer.Option(help="Default: by the file's ending, else txt.")] = None,
    out: Out = None,
    set: Sets = None,
) -> None:
    """Draw a model from its graph, repeated blocks folded to ×N. No framework is loaded."""
    from cmt_dsl import cost
    from cmt_dsl.draw import compose

    chosen = format.value if format else ENDINGS.get(out.suffix.lower() if out else "", "txt")
    model, graph = _build(spec, set)
    if chosen == "html":
        from cmt_dsl.draw.page import explorer

        opened = level.value if level else "model"
        _deliver(explorer(model, graph, level=opened, path=path).encode(), out)
        return
    depth = level.value if level else "block"
    scene = compose(graph, cost(graph), depth, path, doc=model.spec.doc)
    if chosen == "txt" and _to_terminal(out):
        from rich.console import Console

        from cmt_dsl.draw.tree import tree

        Console(highlight=False).print(tree(scene))
        return
    from cmt_dsl.draw.write import write

    data, notes = write(scene, chosen)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    _deliver(data, out)


def _to_terminal(out: Path | None) -> bool:
    return out is None or str(out) == "-"


def _deliver(data: bytes, out: Path | None) -> None:
    """Write a drawing to its file, or to stdout; a PNG is not shown on a terminal."""
    if out is None or str(out) == "-":
        if data.startswith(b"\x89PNG") and sys.stdout.isatty():
            raise typer.BadParameter("a PNG does not go to a terminal: give -o FILE")
        typer.echo(data, nl=False)
        return
    from runtime.atomic import write_atomically

    write_atomically(out, data)
    typer.echo(f"{out}: {len(data):,} bytes", err=True)


def _build(spec: str, sets: list[str] | None) -> tuple[Model, Graph]:
    from cmt_dsl import build, load

    model = load(spec, overrides=tuple(sets or ()))
    return model, build(model)
