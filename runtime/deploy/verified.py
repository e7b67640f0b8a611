"""What comparing two programs found, as figures, JSON, CSV and one verdict."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

ALLOWED: dict[str, float] = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2}
"""Largest difference over the largest |logit| that counts as agreement, by the coarser precision of the two."""
AGREE = 0.99
"""With int8, whose logits do differ: the share of images that both must decide alike."""


@dataclass(frozen=True)
class Row:
    """One image: which it is, its class, both answers, and the largest and mean difference of its outputs."""

    image: str
    label: int
    a: int
    b: int
    largest: float
    mean: float


@dataclass
class Verified:
    """Two programs on the same images."""

    a: str
    b: str
    by: tuple[str, str]
    data: str
    compared: str
    """"logits" or "probabilities"."""
    classes: tuple[str, ...]
    precision: str
    allowed: float | None
    """None: decisions count, as `agree` says."""
    agree: float
    rows: list[Row] = field(default_factory=list)
    scale: float = 0.0
    """Largest |output| of A."""
    broken: tuple[int, int] = (0, 0)
    """Images for which A or B gives something that is no number."""
    notes: tuple[str, ...] = ()

    @property
    def largest(self) -> float:
        return max((row.largest for row in self.rows), default=0.0)

    @property
    def mean(self) -> float:
        return sum(row.mean for row in self.rows) / max(len(self.rows), 1)

    @property
    def relative(self) -> float:
        """The largest difference over the largest |output| of A."""
        if self.largest == 0:
            return 0.0
        return self.largest / self.scale if self.scale > 0 else float("inf")

    @property
    def differing(self) -> list[Row]:
        return [row for row in self.rows if row.a != row.b]

    @property
    def agreeing(self) -> float:
        return 1 - len(self.differing) / max(len(self.rows), 1)

    def top1(self) -> tuple[float, float]:
        """Shares of the images that A and B answer rightly."""
        count = max(len(self.rows), 1)
        return sum(r.a == r.label for r in self.rows) / count, sum(r.b == r.label for r in self.rows) / count

    def right(self) -> tuple[int, int, int]:
        """Where they differ: images that A has right, that B has right, that neither has."""
        a = sum(row.a == row.label for row in self.differing)
        b = sum(row.b == row.label for row in self.differing)
        return a, b, len(self.differing) - a - b

    @property
    def why_not(self) -> str:
        """Empty where they agree within what is allowed; otherwise what does not, in a sentence."""
        for name, count in zip("AB", self.broken, strict=True):
            if count:
                return f"{name} gives what is no number for {count} of {len(self.rows)} images"
        if self.allowed is not None and not self.relative <= self.allowed:
            return f"the largest difference is {self.relative:.3g} of the largest |output|, more than {self.allowed:g}"
        if self.agreeing < self.agree:
            return f"they decide {self.agreeing:.2%} of the images alike, less than {self.agree:.2%}"
        return ""

    def name(self, number: int) -> str:
        """Of a class; the number itself where it has no name, – where there was no answer."""
        if number < 0:
            return "–"
        return self.classes[number] if number < len(self.classes) else str(number)

    def json(self) -> dict[str, Any]:
        """Plain data; numbers that are none are null."""
        top1 = self.top1()
        right = self.right()
        numbers = {"largest": self.largest, "mean": self.mean, "relative": self.relative, "scale": self.scale}
        return {
            "agree": not self.why_not, "why_not": self.why_not, "a": self.a, "b": self.b, "by": list(self.by),
            "data": self.data, "compared": self.compared, "precision": self.precision, "images": len(self.rows),
            "allowed": self.allowed, "required_agreement": self.agree,
            **{name: value if value < float("inf") else None for name, value in numbers.items()},
            "same_top1": self.agreeing, "top1": list(top1), "broken": list(self.broken),
            "right": {"a": right[0], "b": right[1], "neither": right[2]},
            "differing": [
                {"image": r.image, "label": self.name(r.label), "a": self.name(r.a), "b": self.name(r.b), "largest": r.largest}
                for r in self.differing
            ],
            "notes": list(self.notes),
        }  # fmt: skip

    def csv(self) -> str:
        """One line an image."""
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(["image", "class", "a", "b", "right", "largest_difference", "mean_difference"])
        for row in self.rows:
            right = {(True, True): "both", (True, False): "a", (False, True): "b"}
            who = right.get((row.a == row.label, row.b == row.label), "neither")
            names = [self.name(number) for number in (row.label, row.a, row.b)]
            lines.writerow([row.image, *names, who, f"{row.largest:.9g}", f"{row.mean:.9g}"])
        return out.getvalue()
