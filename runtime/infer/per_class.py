"""Figures of each class from a confusion matrix; rows are the true classes, columns what was answered."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.array import Array


@dataclass(frozen=True)
class ClassFigures:
    """One class. A figure is None where it would be 0 / 0: a class without images, or never answered."""

    name: str
    total: int
    right: int
    answered: int
    """How many images, of whatever class, were taken for it."""

    @property
    def recall(self) -> float | None:
        """right / total"""
        return self.right / self.total if self.total else None

    @property
    def precision(self) -> float | None:
        """right / answered"""
        return self.right / self.answered if self.answered else None

    @property
    def f1(self) -> float | None:
        """2 · right / (total + answered): the harmonic mean of precision and recall."""
        return 2 * self.right / (self.total + self.answered) if self.total + self.answered else None

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {"class": self.name, "total": self.total, "right": self.right, "answered": self.answered,
                "recall": self.recall, "precision": self.precision, "f1": self.f1}  # fmt: skip


def per_class(confusion: Array, names: Sequence[str]) -> list[ClassFigures]:
    """Of a matrix [k, k] of counts, in the order of the classes."""
    return [
        ClassFigures(name, int(row), int(hit), int(column))
        for name, row, hit, column in zip(
            names, confusion.sum(axis=1), confusion.diagonal(), confusion.sum(axis=0), strict=True
        )
    ]


def summary(figures: Sequence[ClassFigures], unanswered: int) -> dict[str, Any]:
    """Over the classes that have images: mean recall (balanced accuracy), mean F1; and how many classes those are."""
    measured = [each for each in figures if each.total]
    recalls = [each.recall for each in measured if each.recall is not None]
    scores = [each.f1 for each in measured if each.f1 is not None]
    mean = float(np.mean(recalls)) if measured else None
    f1 = float(np.mean(scores)) if measured else None
    return {
        "classes": len(figures),
        "classes_measured": len(measured),
        "classes_without_images": [each.name for each in figures if not each.total],
        "balanced_accuracy": mean,
        "macro_f1": f1,
        "unanswered": unanswered,
    }


def as_csv(figures: Sequence[ClassFigures], confusion: Array) -> str:
    """A row for each class: its figures, then how often it was taken for each class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["class", "total", "right", "answered", "recall", "precision", "f1"]
    writer.writerow([*head, *(f"as {each.name}" for each in figures)])
    for each, row in zip(figures, confusion.tolist(), strict=True):
        values = ["" if value is None else value for value in each.json().values()]
        writer.writerow([*values, *row])
    return text.getvalue()
