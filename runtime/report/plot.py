"""The curves of runs as a PNG, by matplotlib: the lines and numbers of the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from cmt_dsl.draw.units import plain
from cmt_dsl.errors import CmtError
from runtime.report.curves import Chart, charts
from runtime.run.record import Record

COLOURS = ("#2457d6", "#d2600a", "#17804f", "#8b3fc2", "#c22a55", "#0b7f93", "#8a6a00", "#5b6472")
STYLES = {"solid": "-", "dashed": "--", "dotted": ":"}
MOST_DOTS = 40  # points of a line up to which each is marked


def curves_picture(runs: Sequence[Record], names: Sequence[str]) -> bytes:
    """A PNG; CMT-414 without matplotlib, CMT-833 where no run has an epoch yet."""
    found = charts(list(runs))
    if not found:
        raise CmtError("CMT-833", "no epoch is complete yet: there is nothing to draw")
    try:
        mpl: Any = import_module("matplotlib")
        figures: Any = import_module("matplotlib.figure")
    except ImportError as error:
        hint = "pip install 'cmt-dsl[viz]'"
        raise CmtError("CMT-414", "a plot needs the package matplotlib", hint=hint) from error
    wide = 2 if len(found) > 1 else 1
    high = -(-len(found) // wide)
    with mpl.rc_context({"text.parse_math": False, "font.family": "sans-serif"}):
        figure = figures.Figure(figsize=(5.6 * wide, 3.1 * high), layout="constrained")
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for spare in axes[len(found) :]:
            spare.set_axis_off()
        for axis, (chart, each) in zip(axes, found, strict=False):
            _chart(axis, chart, each, [plain(name) for name in names])
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def _chart(axis: Any, chart: Chart, each: list[Any], names: list[str]) -> None:
    for run, lines in enumerate(each):
        for line, points in lines:
            label = line.label if len(names) == 1 else f"{names[run]} {line.label}"
            axis.plot(
                [x for x, _ in points],
                [y * chart.factor for _, y in points],
                STYLES[line.style],
                color=COLOURS[run % len(COLOURS)],
                marker="o" if len(points) <= MOST_DOTS else None,
                markersize=3,
                label=label,
            )
    axis.set_title(chart.title + (f" in {chart.unit}" if chart.unit else ""), loc="left", fontsize=11)
    axis.set_xlabel("epoch")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(color="#eef2f7")
    axis.spines[["top", "right"]].set_visible(False)
    if chart.log:
        axis.set_yscale("log")
    axis.legend(fontsize=8, frameon=False)
