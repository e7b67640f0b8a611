"""How `cmt validate` shows the figures of each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from runtime.atomic import write_atomically
from runtime.cli.terminal import say
from runtime.infer.per_class import as_csv, per_class
from runtime.report.classes import classes_page

MOST = 40
"""Rows of the table; the rest is in --json and in the file of -o."""


def say_classes(console: Console, found: dict[str, Any], *, by_class: bool) -> None:
    """What the classes change: balanced accuracy, how many were measured, and the table where it is asked for."""
    measured, classes = found["classes_measured"], found["classes"]
    if found["unanswered"]:
        say(console, f"for {found['unanswered']} images the logits are no numbers: they count as wrong")
    if measured < classes:
        missing = found["classes_without_images"]
        some = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        say(console, f"measured over {measured} of the model's {classes} classes; without images: {some}")
    if measured == 1:
        say(
            console, "warning: the images are all of one class: this says nothing about telling classes apart"
        )
    if not by_class:
        return
    say(console, f"balanced accuracy {found['balanced_accuracy']:.2%}  macro F1 {found['macro_f1']:.4f}")

    rows = sorted(
        (row for row in found["per_class"] if row["total"]), key=lambda row: (row["recall"], row["class"])
    )
    table = Table(box=None, pad_edge=False)
    for name in ("class", "right", "of", "recall", "precision", "F1"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for row in rows[:MOST]:
        figures = (row["recall"], row["precision"], row["f1"])
        shown = ["–" if value is None else f"{value:.2%}" for value in figures]
        table.add_row(row["class"], str(row["right"]), str(row["total"]), *shown)
    console.print(table)
    if len(rows) > MOST:
        say(
            console,
            f"… and {len(rows) - MOST} classes with higher recall: -o FILE.csv or FILE.html has them all",
        )


def write_figures(out: Path, found: dict[str, Any]) -> None:
    """The figures of each class and the confusion matrix, as CSV or as a page, by the ending of `out`."""
    if out.suffix.lower() == ".html":
        write_atomically(out, classes_page(found).encode())
        return
    confusion = np.asarray(found["confusion"], np.int64)
    names = [row["class"] for row in found["per_class"]]
    write_atomically(out, as_csv(per_class(confusion, names), confusion).encode())
