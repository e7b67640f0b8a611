"""The verbs `cmt data preview`, `bench`, `check` and `pack`: the input of a training, seen and measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cmt_dsl import load
from runtime.atomic import write_atomically
from runtime.cli.options import Data, Json, RunSets, TrainName, ValName, edits
from runtime.cli.terminal import Status, console_for, say
from runtime.data.bench import bench as measure
from runtime.data.census import census
from runtime.data.open import open_source
from runtime.data.pack import pack as write
from runtime.data.pictures import Pictures
from runtime.data.sheet import samples, sheet
from runtime.data.source import Source, View
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.read import is_recipe_path, load_recipe
from runtime.recipe.schema import DataGroup, Recipe

app = typer.Typer(
    name="data", help="See, measure, check and pack the images of a training.", no_args_is_help=True
)

RecipeName = Annotated[str, typer.Option(help="Recipe: a shipped name or a YAML file.")]
Spec = Annotated[str, typer.Option(help="Model whose view of the images is taken.")]
DataSets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="data.KEY=VALUE", help="Change how it is read (data.split=0.1). Repeatable."
    ),
]
SAME = {
    "across_splits": "in train and val",
    "across_classes": "under two classes",
    "within_class": "within a class",
}
FEW = 12  # classes and bad files that are printed; --json tells all


@app.command()
def preview(
    data: Data,
    recipe: RecipeName,
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG file.")],
    model: Spec = "cmt_s",
    epoch: Annotated[int, typer.Option(min=1, help="Whose images and random numbers.")] = 1,
    count: Annotated[int, typer.Option(min=1, max=1024, help="Images on the sheet.")] = 36,
    set: RunSets = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    as_json: Json = False,
) -> None:
    """A contact sheet of training images exactly as the model would see them: augmented, mixed, denormalised."""
    console = console_for(as_json)
    with Status(console) as progress:
        progress.tell(f"opening {data} …")
        source, plan = _open(data, recipe, model, (*(set or ()), *_names(train_name, val_name)))
        progress.tell(f"augmenting {count} images …")
        tiles = samples(source, plan, epoch, count)
        write_atomically(out, sheet(tiles))
    facts = {"file": str(out), "images": len(tiles), "epoch": epoch, "data": source.name}
    facts |= {"captions": [caption for _, caption in tiles], "bad_images": [bad.name for bad in source.bad]}
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        say(console, f"{out}: {len(tiles)} images of epoch {epoch}")


@app.command()
def bench(
    data: Data,
    recipe: RecipeName,
    model: Spec = "cmt_s",
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long to measure.")] = 10.0,
    set: RunSets = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    as_json: Json = False,
) -> None:
    """Images per second of the input pipeline alone: each stage on one core, and all of them together."""
    console = console_for(as_json)
    with Status(console) as progress:
        progress.tell(f"opening {data} …")
        source, plan = _open(data, recipe, model, (*(set or ()), *_names(train_name, val_name)))
        found: dict[str, Any] = {
            "data": source.name,
            "model": model,
            **measure(source, plan, seconds, progress.tell),
        }
    if as_json:
        typer.echo(json.dumps(found))
        return

    table = Table(box=None, pad_edge=False)
    for name in ("stage", "ms / image", "img/s per core", "%"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for row in found["stages"]:
        table.add_row(
            row["stage"], f"{row['ms']:.3f}", f"{row['per_core']:,.0f}", f"{100 * row['share']:.1f}"
        )
    console.print(table)
    say(
        console,
        f"all stages, {found['workers']} workers: {found['images_per_second']:,.0f} img/s, "
        f"{found['per_core']:,.0f} per core; batches of {found['batch']}",
    )


@app.command()
def check(
    data: Annotated[str, typer.Argument(metavar="DIR", help="A folder, as for --data.")],
    set: DataSets = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    as_json: Json = False,
) -> None:
    """Decode every image: classes, counts, kinds, sizes, what cannot be read, and what is there twice.

    Exit code 1 for files that cannot be read, and for the same bytes in both splits or under two classes.
    """
    if data == "digits":
        raise typer.BadParameter("the digits are no folder: their images come with a package")
    console = console_for(as_json)
    with Status(console) as progress:
        progress.tell(f"opening {data} …")
        still = AugmentGroup(crop=None, flip=0.0)
        group = _group(set, train_name, val_name)
        source = open_source(data, View(3, 224, 224, 0.875), augment=still, group=group)
        assert isinstance(source, Pictures)
        found = census(source, lambda split, done, of: progress.tell(f"{split}: {done:,} of {of:,} images"))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(console, found)
    same = found["equal"]
    bad = any(split["bad"] for split in found["splits"].values())
    if bad or same["across_classes"] or same["across_splits"]:
        raise typer.Exit(1)


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Images in train/CLASS/ and val/CLASS/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New directory for the MindRecord files.")],
    shards: Annotated[int, typer.Option(min=1, max=1000, help="Files for each of train and val.")] = 1,
    set: DataSets = None,
    train_name: TrainName = None,
    val_name: ValName = None,
    as_json: Json = False,
) -> None:
    """Write an image folder as MindRecord: the files as they are, labels, class names. `--data OUT` then reads it."""
    console = console_for(as_json)
    with Status(console) as progress:
        progress.tell(f"reading {folder} …")
        group = _group(set, train_name, val_name)
        counts, notes = write(
            folder, out, shards, lambda done, of: progress.tell(f"{done:,} of {of:,} images"), group
        )
    if as_json:
        typer.echo(json.dumps({"directory": str(out), **counts, "notes": notes}))
    else:
        for note in notes:
            say(console, note)
        say(console, f"{out}: {counts['train']:,} training and {counts['val']:,} validation images")


def _names(train_name: str | None, val_name: str | None) -> tuple[str, ...]:
    return edits({"data.train_name": train_name, "data.val_name": val_name})


def _group(sets: list[str] | None, train_name: str | None, val_name: str | None) -> DataGroup:
    """What the recipe's group `data` is with these edits, which may be of no other group."""
    if others := [text for text in sets or () if not text.strip().startswith("data.")]:
        raise typer.BadParameter(f"--set {others[0]}: only data.… is read here, such as data.split=0.1")
    found = load_recipe("digits", overrides=(*(sets or ()), *_names(train_name, val_name)), restated=[])
    return found.data


def _open(data: str, recipe: str, model: str, sets: tuple[str, ...]) -> tuple[Source, Recipe]:
    plan = load_recipe(recipe, overrides=tuple(s for s in sets if is_recipe_path(s)))
    spec = load(model, overrides=tuple(s for s in sets if not is_recipe_path(s)))
    view = View.of(spec, plan.data.eval_crop)
    return open_source(data, view, augment=plan.augment, group=plan.data), plan


def _show(console: Console, found: dict[str, Any]) -> None:
    for note in found["notes"]:
        say(console, note)
    for split, facts in found["splits"].items():
        counts = sorted(facts["by_class"].values())
        say(
            console,
            f"{split}: {facts['images']:,} images, {counts[0]:,} to {counts[-1]:,} in each of {len(counts)} classes",
        )
        if (uneven := facts["imbalance"]) and uneven["ratio"] > 1:
            (largest, most), (smallest, least) = uneven["largest"], uneven["smallest"]
            say(
                console,
                f"  largest class / smallest: {uneven['ratio']:g} ({largest} {most:,}, {smallest} {least:,})",
            )
        if len(counts) <= FEW:
            say(console, "  " + ", ".join(f"{name} {n:,}" for name, n in facts["by_class"].items()))
        say(console, "  " + ", ".join(f"{kind} {n:,}" for kind, n in facts["kinds"].items()))
        say(console, "  " + ", ".join(f"{name} {w} x {h}" for name, (w, h) in facts["sides"].items()))
        for entry in facts["bad"][:FEW]:
            say(console, f"  cannot read {entry['file']}: {entry['reason']}")
        if len(facts["bad"]) > FEW:
            say(console, f"  … and {len(facts['bad']) - FEW} others")
    for kind, where in SAME.items():
        groups = found["equal"][kind]
        if groups:
            say(console, f"the same bytes {where}: {len(groups):,} {'times' if len(groups) > 1 else 'time'}")
        for group in groups[:FEW]:
            say(console, "  " + " = ".join(group))
        if len(groups) > FEW:
            say(console, f"  … and {len(groups) - FEW} others; --json lists all")
