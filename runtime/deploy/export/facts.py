"""What an exported file says of itself, from the weights it is made of."""

from __future__ import annotations

import contextlib

from cmt_dsl import __version__
from cmt_dsl.errors import CmtError
from runtime.checkpoint.load import Imported
from runtime.data.classes import words
from runtime.data.held_out import view_of
from runtime.data.image.transforms import LUMA, MEAN, STD
from runtime.data.source import View
from runtime.data.stores.digits import Digits
from runtime.deploy.export.wish import Wish
from runtime.deploy.metadata import Metadata, Preprocessing

LABELS = "cmt.labels"
"""Beside the keys of `Metadata`: the classes as people call them, where that is something else than their names."""


def metadata(found: Imported, wish: Wish) -> Metadata:
    """Where the model comes from, what it takes and gives."""
    return Metadata(
        spec=found.model.resolved(),
        fingerprint=found.graph.fingerprint,
        preprocessing=preprocessing(found),
        classes=found.class_names,
        version=__version__,
        flavour=wish.flavour or "",
        precision="fp32" if wish.kind == "om" else wish.precision,  # its ONNX file is what says this
        input="uint8 NHWC" if wish.preprocess else "float32 NCHW",
        output="probabilities" if wish.preprocess else "logits",
    )


def labels(found: Imported) -> tuple[str, ...]:
    """What the classes are called for people, in order; none where their names are not known."""
    return tuple(map(words, found.class_names))


def preprocessing(found: Imported) -> Preprocessing | None:
    """How validation shows these weights their images; None where images do not fit the model, or nothing says the crop."""
    view = _view(found)
    if view is None:
        return None
    size = (view.height, view.width)
    if found.checkpoint is not None and found.checkpoint.source == Digits.name:
        mean, std = Digits(view, None).normalisation
        mean, std = round(mean, 7), round(std, 7)
        return Preprocessing((mean,) * view.channels, (std,) * view.channels, size, "bilinear", 1.0)
    if view.channels == 3:
        return Preprocessing(_shares(MEAN), _shares(STD), size, "bicubic", view.eval_crop)
    if view.channels == 1:  # the luminance
        mean, std = (sum(a * float(b) for a, b in zip(_shares(of), LUMA, strict=True)) for of in (MEAN, STD))
        return Preprocessing((round(mean, 7),), (round(std, 7),), size, "bicubic", view.eval_crop)
    return None


def _view(found: Imported) -> View | None:
    """By the recipe, or by the profile where the recipe cannot be read any more, or has no usable crop."""
    for recipe in (found.recipe, {}):
        with contextlib.suppress(CmtError):
            return view_of(found.model, recipe)
    return None


def _shares(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value / 255, 6) for value in values)
