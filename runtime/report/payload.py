"""What the report page shows, as plain data: numbers as the run wrote them, texts as they are."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from runtime.report.curves import charts
from runtime.report.predictions import Predictions
from runtime.run.record import Record, summary
from runtime.run.table import columns
from runtime.sharing import command_without_folders, without_folders

MOST_CELLS = 40
"""Classes up to which the page shows a whole confusion matrix; above, the pairs most often confused."""
PAIRS = 30
WEAKEST = 20  # classes of which the accuracy is listed
SETTINGS_AS_TEXT = 400  # characters of a setting


def payload(
    runs: Sequence[Record], names: Sequence[str], predicted: Sequence[Predictions | None]
) -> dict[str, Any]:
    """Data for the page. `names` tell the runs apart, such as their directories."""
    found = [summary(run) for run in runs]
    return {
        "made": time.strftime("%Y-%m-%d %H:%M", time.localtime()),
        "runs": [
            {
                "name": name,
                "model": of["model"],
                "state": of["state"],
                "best": of["best_top1"],
                "best_epoch": of["best_epoch"],
                "epochs_done": of["epochs_done"],
                "epochs": of["epochs"],
                "history": list(_history(run)),
            }
            for name, run, of in zip(names, runs, found, strict=True)
        ],
        "charts": [
            {
                "title": chart.title,
                "unit": chart.unit,
                "factor": chart.factor,
                "log": chart.log,
                "lines": [
                    {
                        "run": index,
                        "label": line.label,
                        "key": line.key,
                        "style": line.style,
                        "points": _finite(points),
                    }
                    for index, lines in enumerate(each)
                    for line, points in lines
                ],
            }
            for chart, each in charts(list(runs))
        ],
        "table": _rows([columns(of) for of in found]),
        "recipe": _rows([_flat(run.meta.get("recipe") or {}) for run in runs]),
        "environment": _rows([_environment(run) for run in runs]),
        "predictions": [
            _predictions(of, p, name) for of, p, name in zip(found, predicted, names, strict=True)
        ],
    }


def _rows(each: list[dict[str, str]]) -> list[dict[str, Any]]:
    """One row a key, in the order of the first run that has it: its values, and whether the runs differ."""
    keys = dict.fromkeys(key for values in each for key in values)
    return [
        {"key": key, "values": (v := [values.get(key) for values in each]), "differs": len(set(v)) > 1}
        for key in keys
    ]


def _flat(value: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, inner in value.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(inner, dict) and inner:
            found |= _flat(inner, path)
        else:
            found[path] = without_folders(_text(inner))
    return found


def _text(value: Any) -> str:
    """As YAML would say it, in one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        text = ", ".join(_text(v) for v in value)
        text = f"[{text}]"
    else:
        text = f"{value}"
    return text if len(text) <= SETTINGS_AS_TEXT else text[: SETTINGS_AS_TEXT - 1] + "…"


def _environment(run: Record) -> dict[str, str]:
    meta = run.meta
    classes = meta.get("classes") or []
    values = {
        "command": command_without_folders(str(meta["command"])) if "command" in meta else None,
        "fingerprint": meta.get("fingerprint"),
        "data": without_folders(str(meta["source"])) if "source" in meta else None,
        "classes": f"{len(classes)}: {_text(classes)[1:-1]}" if classes else None,
        "training images": meta.get("train_images"),
        "held-out images": meta.get("val_images"),
        "steps per epoch": meta.get("steps_per_epoch"),
        "device": meta.get("device"),
        "workers": meta.get("workers"),
        "machine": meta.get("machine"),
        **(meta.get("versions") or {}),
    }
    return {key: _text(value) for key, value in values.items() if value is not None}


def _history(run: Record) -> Iterator[list[str]]:
    """[when, what] of a run's turns, in order."""
    for e in run.events:
        what = {
            "meta": lambda e: "started",
            "resumed": lambda e: f"resumed after step {e.get('step')}",
            "compiled": lambda e: f"graph compiled in {e.get('seconds')} s",
            "bad_image": lambda e: f"left out {e.get('file')}: {e.get('reason')}",
            "stopped": lambda e: f"stopped in epoch {e.get('epoch')}, after step {e.get('step')}",
            "failed": lambda e: f"failed after step {e.get('step')}: {e.get('reason')}",
            "end": lambda e: f"complete after {e.get('steps')} steps",
        }.get(e["event"])
        if what is not None:
            yield [_when(e.get("time")), without_folders(what(e))]


def _when(stamp: Any) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _finite(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(x, y) for x, y in points if math.isfinite(y)]


def _predictions(of: dict[str, Any], found: Predictions | None, name: str) -> dict[str, Any]:
    if found is None:
        data = without_folders(str(of["data"] or "DATA"))
        return {"how": ["cmt", "report", name, "--data", data, "-o", "report.html"]}
    facts = found.facts
    return {
        "facts": {**facts, "data": without_folders(str(facts.get("data", "")))},
        "images": len(found.rows),
        "stale": (of["best_epoch"] is not None and facts.get("epoch") != of["best_epoch"])
        or facts.get("fingerprint") != of["fingerprint"],
        "best_epoch": of["best_epoch"],
        **confused(found.confusion(), found.counts(), found.classes),
        "shown": [
            {**asdict(s), "true": found.rows[s.index][0], "own": found.rows[s.index][3]} for s in found.shown
        ],
    }


def confused(
    confusion: Mapping[tuple[int, int], int], counts: Sequence[int], classes: Sequence[str]
) -> dict[str, Any]:
    """The matrix of (true class, answered class), or its largest wrong cells and the weakest of many classes."""
    wrong = {cell: n for cell, n in confusion.items() if cell[0] != cell[1]}
    whole = len(counts) <= MOST_CELLS
    cells = confusion if whole else dict(sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:PAIRS])
    right = [confusion.get((c, c), 0) for c in range(len(counts))]
    weakest = sorted((c for c in range(len(counts)) if counts[c]), key=lambda c: right[c] / counts[c])
    return {
        "classes": list(classes),
        "counts": list(counts),
        "whole": whole,
        "cells": [[*cell, n] for cell, n in cells.items()],
        "weakest": [[c, right[c], counts[c]] for c in weakest[:WEAKEST]],
    }
