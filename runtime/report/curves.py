"""The numbers of metrics.jsonl as curves over epochs, unchanged, for the page and the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.run.record import Record


@dataclass(frozen=True)
class Line:
    """One key of the epoch records; `style` tells lines of a run apart, its colour tells runs apart."""

    key: str
    label: str
    style: str = "solid"


@dataclass(frozen=True)
class Chart:
    """Lines that share a y axis. Values are multiplied by `factor` to be in `unit`."""

    title: str
    lines: tuple[Line, ...]
    unit: str = ""
    factor: float = 1.0
    log: bool | None = False
    """Whether the axis is logarithmic; None: it may be, if a person wants that."""


CHARTS = (
    Chart(
        "Loss",
        (
            Line("train_loss", "train"),
            Line("val_loss", "val", "dashed"),
            Line("ema_val_loss", "val, average", "dotted"),
        ),
        log=None,
    ),
    Chart(
        "Accuracy",
        (
            Line("top1", "top-1"),
            Line("ema_top1", "top-1, average", "dotted"),
            Line("top5", "top-5", "dashed"),
        ),
        unit="%",
        factor=100.0,
    ),
    Chart("Learning rate", (Line("lr", "end of epoch"),), log=None),
    Chart("Throughput", (Line("images_per_second", "training"),), unit="images/s"),
    Chart("Loss scale", (Line("loss_scale", "end of epoch"),), log=True),
    Chart("Skipped steps", (Line("skipped_steps", "so far"),)),
)
OPTIONAL = {"loss_scale", "skipped_steps"}
"""Not worth a chart where they are never there, or always 0."""


def epochs(run: Record) -> list[dict[str, Any]]:
    """The epoch records in order; of an epoch that was done again after a resumption, the last."""
    found = {e["epoch"]: e for e in run.of("epoch") if isinstance(e.get("epoch"), int)}
    return [found[number] for number in sorted(found)]


def points(run: Record, key: str) -> list[tuple[int, float]]:
    """(epoch, value) wherever the key has a number."""
    return [(e["epoch"], float(e[key])) for e in epochs(run) if _number(e.get(key))]


def charts(runs: list[Record]) -> list[tuple[Chart, list[list[tuple[Line, list[tuple[int, float]]]]]]]:
    """Each chart that has anything to show, with its lines of each run, those without a point left out."""
    found: list[tuple[Chart, list[list[tuple[Line, list[tuple[int, float]]]]]]] = []
    for chart in CHARTS:
        each = [[(line, p) for line in chart.lines if (p := points(run, line.key))] for run in runs]
        values = [y for lines in each for line, p in lines for _, y in p if line.key in OPTIONAL]
        told = any(values) if chart.lines[0].key in OPTIONAL else any(each)
        if told:
            found.append((chart, each))
    return found


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
