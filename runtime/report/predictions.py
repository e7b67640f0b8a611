"""What a model said of every held-out image: `predictions.json` of a run, and what can be read off it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.atomic import write_atomically
from runtime.run.record import PREDICTIONS

KIND = "cmt-dsl predictions"
FORMAT = 1


@dataclass(frozen=True)
class Shown:
    """An image that a report shows. `why` is "hardest" or "sample"; `image` a data: URL; `index` its row."""

    index: int
    why: str
    name: str
    top: tuple[tuple[int, float], ...]
    """The likeliest classes with their probabilities, best first."""
    image: str


@dataclass(frozen=True)
class Predictions:
    """Rows (true class, guess, probability of the guess, of the true class) in the order of the data.

    `facts` says which checkpoint, weights, data and backend they are of.
    """

    facts: dict[str, Any]
    classes: tuple[str, ...]
    rows: tuple[tuple[int, int, float, float], ...]
    shown: tuple[Shown, ...]

    @property
    def top1(self) -> float:
        """Fraction of the rows whose guess is right, a tie counting against the model as everywhere."""
        return self.facts["top1"]

    def confusion(self) -> Counter[tuple[int, int]]:
        """Images by (true class, guessed class)."""
        return Counter((true, guess) for true, guess, _, _ in self.rows)

    def counts(self) -> list[int]:
        """Images of each class."""
        found = Counter(row[0] for row in self.rows)
        return [found[index] for index in range(len(self.classes))]


def write_predictions(folder: Path, found: Predictions) -> Path:
    """predictions.json in the run's folder; CMT-606."""
    path = folder / PREDICTIONS
    data = {"kind": KIND, "format": FORMAT, **asdict(found)}
    write_atomically(path, json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return path


def read_predictions(folder: Path) -> Predictions | None:
    """Those of a run, or None if it has none; CMT-830 for a file that does not hold what it should."""
    path = folder / PREDICTIONS
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    try:
        return _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from None


def _parsed(data: dict[str, Any]) -> Predictions:
    if data["kind"] != KIND or data["format"] != FORMAT:
        raise ValueError("it is of another kind or format")
    classes = tuple(str(name) for name in data["classes"])

    def known(value: Any) -> int:
        if not isinstance(value, int) or not 0 <= value < len(classes):
            raise ValueError(f"no class {value!r}")
        return value

    rows = tuple((known(t), known(g), float(p), float(own)) for t, g, p, own in data["rows"])
    shown: list[Shown] = []
    for each in data["shown"]:
        if not 0 <= each["index"] < len(rows) or not each["image"].startswith("data:image/"):
            raise ValueError("an image that is shown is none of the rows, or no image")
        top = tuple((known(c), float(p)) for c, p in each["top"])
        shown.append(Shown(each["index"], str(each["why"]), str(each["name"]), top, each["image"]))
    facts = dict(data["facts"])
    float(facts["top1"])
    return Predictions(facts, classes, rows, tuple(shown))


def _damaged(path: Path, reason: str) -> CmtError:
    hint = "remove it; cmt report RUN --data DATA -o FILE makes it anew"
    return CmtError("CMT-830", f"{path} does not hold predictions: {reason}", hint=hint)
