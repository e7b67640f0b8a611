"""Figures of a report as a picture, by matplotlib: images per second, a panel for each batch size."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.deploy.bench.figures import Report, Row

COLOURS = {"float32": "#2457d6", "bfloat16": "#d2600a", "float16": "#17804f"}
FORMATS = ("png", "svg")


def plotter(file: Path) -> tuple[Any, str]:
    """matplotlib and the format of a file by its suffix, before anything is measured; CMT-863, CMT-414."""
    kind = file.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise CmtError("CMT-863", f"--plot {file}: a plot is a .png or a .svg file", hint="such as bench.svg")
    try:
        import_module("matplotlib.figure")
        return import_module("matplotlib"), kind
    except ImportError as error:
        hint = "pip install 'cmt-dsl[viz]'"
        raise CmtError("CMT-414", "a plot needs the package matplotlib", hint=hint) from error


def picture(made: Report, mpl: Any, kind: str) -> bytes:
    """The bytes of the file."""
    batches = list(dict.fromkeys(row.batch for row in made.rows))
    most = max(sum(row.batch == batch for row in made.rows) for batch in batches)
    models = list(dict.fromkeys(row.model for row in made.rows))
    with mpl.rc_context({"text.parse_math": False, "font.family": "sans-serif", "svg.hashsalt": "cmt"}):
        figure = mpl.figure.Figure(figsize=(4.6 * len(batches), 1.2 + 0.42 * most), layout="constrained")
        axes = figure.subplots(1, len(batches), squeeze=False).ravel()
        for axis, batch in zip(axes, batches, strict=True):
            _panel(axis, batch, [row for row in made.rows if row.batch == batch], len(models) > 1)
        threads = f"{made.asked.threads} thread{'s' if made.asked.threads > 1 else ''}"
        title = f"{', '.join(models)} · {made.machine.processor} · {threads}"
        figure.suptitle(title if made.complete else f"{title} · stopped early", fontsize=10)
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _panel(axis: Any, batch: int, rows: list[Row], several: bool) -> None:
    names = [f"{row.model} " * several + f"{row.backend} {row.precision}" for row in rows]
    bars = axis.barh(
        range(len(rows)),
        [row.images_per_s for row in rows],
        color=[COLOURS.get(row.precision, "#5b6472") for row in rows],
    )
    shares = [f" {row.peak_share:.0%} of the peak" if row.peak_share is not None else "" for row in rows]
    labels = [f"{_short(row.images_per_s)}{share}" for row, share in zip(rows, shares, strict=True)]
    axis.bar_label(bars, labels, padding=3, fontsize=8)
    axis.set_yticks(range(len(rows)), names, fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.9 * max(row.images_per_s for row in rows))  # labels stand beside their bars
    axis.locator_params(axis="x", nbins=4)
    axis.set_title(f"batch {batch}, images/s (median)", loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
