"""The verbs that read specs and need no framework: list, show, cost, resolve, schema, compile."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cmt_dsl import cost as count
from cmt_dsl import source
from cmt_dsl.cost import Tally
from cmt_dsl.draw import rows
from cmt_dsl.ir import GraphLevel, stage_of
from cmt_dsl.ops import registry
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import KINDS, find, names
from cmt_dsl.spec.schema import BlockSpec, ModelFile, ProfileSpec
from cmt_dsl.spec.tree import plain
from runtime.atomic import write_atomically
from runtime.cli.model import built
from runtime.cli.options import Json, Sets, Spec
from runtime.cli.terminal import table_console


class Kind(str, Enum):
    """What `cmt list` lists."""

    models = "models"
    blocks = "blocks"
    profiles = "profiles"
    recipes = "recipes"
    ops = "ops"


class Schema(str, Enum):
    """What `cmt schema` describes."""

    model = "model"
    block = "block"
    profile = "profile"
    recipe = "recipe"


def list_(
    kind: Annotated[Kind | None, typer.Argument(help="Only these.")] = None, as_json: Json = False
) -> None:
    """List shipped models, blocks, profiles, recipes, operators."""
    found: dict[str, dict[str, str]] = {}
    for each in KINDS:
        found[each] = {}
        for name in names(each):
            data = plain(read_file(find(name, each), name))
            found[each][name] = str(data.get("doc") or "").strip()
    found["ops"] = {
        name: (op.__doc__ or "").split("\n")[0] for name, op in registry().items() if name != "input"
    }
    if kind is not None:
        found = {kind.value: found[kind.value]}
    if as_json:
        typer.echo(json.dumps(found))
        return

    for title, entries in found.items():
        table = Table(title=title, box=None, title_justify="left", show_header=False, title_style="bold")
        for name, doc in entries.items():
            table.add_row(f"  {name}", escape(doc))
        table_console().print(table)


def show(
    spec: Spec,
    level: Annotated[GraphLevel, typer.Option(help="How deep to go.")] = "stage",
    set: Sets = None,
    as_json: Json = False,
) -> None:
    """Show a model as a table: path, shape, parameters, MACs."""
    model, graph = built(spec, set)
    whole = count(graph)
    table = rows(graph, whole, level)
    if as_json:
        total = whole.total.json()
        typer.echo(json.dumps({"model": model.name, "rows": [row.json() for row in table], "total": total}))
        return

    printed = Table(title=f"{model.name}  {model.spec.doc}", title_justify="left", box=None, pad_edge=False)
    printed.add_column("path", overflow="fold")
    printed.add_column("what", overflow="fold")
    printed.add_column("output", no_wrap=True)
    for name in ("params", "MACs", "%"):
        printed.add_column(name, justify="right", no_wrap=True)
    for row in table:
        times = f" ×{row.count}" if row.count > 1 else ""
        name = "  " * row.depth + row.label
        share = f"{100 * row.tally.macs / max(whole.total.macs, 1):.1f}" if row.tally.macs else ""
        what = escape(row.what) + times
        printed.add_row(escape(name), what, escape(str(row.type)), *_counts(row.tally), share)
    printed.add_section()
    printed.add_row("total", "", escape(str(graph.output.type)), *_counts(whole.total), "")
    table_console().print(printed)


def _counts(tally: Tally) -> tuple[str, str]:
    return (
        f"{tally.trainable:,}" if tally.trainable else "",
        f"{tally.macs / 1e6:,.2f} M" if tally.macs else "",
    )


def cost(spec: Spec, set: Sets = None, as_json: Json = False) -> None:
    """Count parameters, MACs and activation bytes, by stage."""
    model, graph = built(spec, set)
    whole = count(graph)
    parts = whole.grouped(stage_of)
    parts.pop("input", None)
    if as_json:
        by_part = {name: tally.json() for name, tally in parts.items()}
        typer.echo(json.dumps({"model": model.name, **whole.total.json(), "parts": by_part}))
        return

    table = Table(box=None, pad_edge=False)
    for name in (model.name, "trainable", "statistics", "MACs", "activations"):
        table.add_column(name, justify="left" if name == model.name else "right", no_wrap=True)
    for name, t in [*parts.items(), ("total", whole.total)]:
        size = f"{t.activations / 2**20:.1f} MiB"
        table.add_row(name, f"{t.trainable:,}", f"{t.statistics:,}", f"{t.macs:,}", size)
    table_console().print(table)
    typer.echo(f"one image {graph.input.type}; MACs: convolutions, matrix products; float32")


def resolve(spec: Spec, set: Sets = None, as_json: Json = False) -> None:
    """Print the whole spec as one YAML text, everything filled in.

    Nothing is left to `extends`, defaults, the profile or the blocks' own files.
    """
    model, graph = built(spec, set)
    text = model.resolved()
    if as_json:
        typer.echo(json.dumps({"model": model.name, "fingerprint": graph.fingerprint, "spec": text}))
    else:
        typer.echo(text, nl=False)


def schema(kind: Annotated[Schema, typer.Argument(help="Which files to describe.")] = Schema.model) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    if kind is Schema.recipe:
        from runtime.recipe.schema import Recipe

        described = Recipe.model_json_schema()
    else:
        described = {Schema.model: ModelFile, Schema.block: BlockSpec, Schema.profile: ProfileSpec}[
            kind
        ].model_json_schema()
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **described}, indent=2))


def compile_(
    spec: Spec,
    emit: Annotated[Path | None, typer.Option(help="Write the MindSpore source here; - for stdout.")] = None,
    set: Sets = None,
    as_json: Json = False,
) -> None:
    """Lower a model to MindSpore: write its source, or run it."""
    model, graph = built(spec, set)
    facts: dict[str, Any] = {"model": model.name, "fingerprint": graph.fingerprint}
    if emit is not None:
        text = source(graph)
        if str(emit) == "-":
            typer.echo(text, nl=False)
            return

        write_atomically(emit, text.encode())
        facts |= {"file": str(emit), "lines": text.count("\n"), "classes": text.count("(nn.Cell):")}
        message = f"{emit}: {facts['classes']} classes, {facts['lines']} lines; its Model() is the network"
    else:
        from runtime.device.compiling import first_run  # NumPy, MindSpore

        facts |= first_run(graph)
        message = (
            f"{model.name}: cell {facts['cell_seconds']:.1f} s, graph {facts['compile_seconds']:.1f} s, "
            f"one image {1000 * facts['image_seconds']:.0f} ms on {facts['device']}"
        )
    typer.echo(json.dumps(facts) if as_json else message)
