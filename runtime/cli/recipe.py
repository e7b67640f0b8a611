"""The verb `recipe`: training files of other projects, carried over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmt_dsl.errors import CmtError
from cmt_dsl.spec import load_document
from runtime.atomic import write_atomically
from runtime.recipe.mindcv.read import imported
from runtime.recipe.mindcv.reading import is_mindcv
from runtime.recipe.read import load_recipe
from runtime.recipe.write import written

app = typer.Typer(name="recipe", no_args_is_help=True, help="Carry over recipes of other projects.")


@app.callback()
def recipes() -> None:
    """Carry over recipes of other projects."""


@app.command("import")
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A training file of MindCV, such as cmt_small_ascend.yaml.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where to write it; default: stdout.")
    ] = None,
) -> None:
    """Write a MindCV training file as a recipe of ours, with the source of every value."""
    tree = load_document(file, "recipes")
    if "recipe" in tree.items or not is_mindcv(tree):
        ours = "recipe" in tree.items
        raise CmtError(
            "CMT-802",
            f"'{file}' is {'a recipe of ours already' if ours else 'no training file of MindCV'}",
            place=tree.place,
            hint="" if ours else "those have keys such as epoch_size, opt and scheduler",
        )
    text = written(imported(tree), load_recipe(file))
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text.encode())
        typer.echo(f"wrote {out}: cmt train --recipe {out} --data DIR --out DIR")
