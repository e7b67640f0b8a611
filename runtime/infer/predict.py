"""A checkpoint's answers to image files: the likeliest classes, and where in the image they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.checkpoint.load import Imported
from runtime.data.classes import class_names, words
from runtime.data.held_out import view_of
from runtime.data.stores.walk import printable
from runtime.infer.backend import Backend, Precision
from runtime.infer.cam import answerer, heat, tail
from runtime.infer.gather import Image, reader
from runtime.infer.metrics import softmax

BATCH = 16


@dataclass(frozen=True)
class Guess:
    """A class with its logit and probability; `heat` [h, w] and `bias` add up to the logit."""

    index: int
    name: str
    logit: float
    probability: float
    heat: Array | None
    bias: float


@dataclass(frozen=True)
class Prediction:
    """An image with its likeliest classes, best first."""

    image: Image
    guesses: tuple[Guess, ...]

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`; heat maps as nested lists."""
        guesses = [
            {"class": g.index, "name": g.name, "logit": g.logit, "probability": g.probability}
            | ({} if g.heat is None else {"bias": g.bias, "heat": np.round(g.heat, 6).tolist()})
            for g in self.guesses
        ]
        return {"image": self.image.name, "guesses": guesses}


@dataclass
class Predicted:
    """What was answered, what could not be read, and why there are no heat maps, if there are none."""

    predictions: list[Prediction] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    no_heat: str | None = None


def shown_names(found: Imported, given: str | None = None) -> tuple[str, ...]:
    """What the classes are called for people: by the list `given`, else the checkpoint's names, ImageNet's in words.

    Converted weights may bring none: then numbers. CMT-511 for a list of another length.
    """
    names = class_names(given) if given is not None else found.checkpoint.classes if found.checkpoint else ()
    if given is not None and len(names) != found.model.classes:
        message = f"{given} names {len(names)} classes, the model has {found.model.classes}"
        raise CmtError("CMT-511", message, hint="one name for each logit, in order")
    if len(names) != found.model.classes:
        return tuple(map(str, range(found.model.classes)))
    return tuple(map(words, names))


def predict(
    found: Imported,
    paths: Sequence[Path],
    by: Backend,
    *,
    precision: Precision = "float32",
    threads: int | None = None,
    top: int = 5,
    progress: Callable[[int, int], object] | None = None,
    names: Sequence[str] = (),
) -> Predicted:
    """The `top` likeliest classes of each readable image."""
    read = reader(view_of(found.model, found.recipe), found.checkpoint.source if found.checkpoint else "")
    names = names or shown_names(found)
    result, batch = Predicted(), min(BATCH, len(paths))
    matrix, bias = np.zeros((len(names), 1)), np.zeros(len(names))
    try:
        matrix, bias = tail(found.graph).affine(found.arrays)
    except CmtError as error:
        result.no_heat = error.problems[0].message
    answer = None
    for start in range(0, len(paths), batch):
        images: list[Image] = []
        for path in paths[start : start + batch]:
            try:
                images.append(read(path))
            except (ValueError, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                result.bad.append((printable(str(path)), reason))
        if images:
            if answer is None:
                how = {"batch": batch, "batches": -(-len(paths) // batch)}
                answer = answerer(found.program, by, precision=precision, threads=threads, **how)
            # one shape, so that one compiled graph serves all
            shown = images + images[:1] * (batch - len(images))
            given = answer(np.stack([image.values for image in shown]))
            chances = softmax(given.logits)
            for row, image in enumerate(images):
                order: list[int] = np.argsort(-given.logits[row], kind="stable")[:top].tolist()
                maps = None if given.features is None else given.features[row]
                guesses = tuple(
                    Guess(
                        c,
                        names[c],
                        float(given.logits[row, c]),
                        float(chances[row, c]),
                        None if maps is None else heat(maps, matrix[c]),
                        float(bias[c]),
                    )
                    for c in order
                )
                result.predictions.append(Prediction(image, guesses))
        if progress:
            progress(min(start + batch, len(paths)), len(paths))
    return result
