"""A contact sheet: samples as the model would see them in training, mixed and denormalised, with their classes."""

from __future__ import annotations

import contextlib
import io
import math
from typing import Any

import numpy as np

from runtime.array import Array
from runtime.data.mixing import mixed_batch, soft_targets
from runtime.data.source import Source
from runtime.recipe.schema import Recipe

FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")
LEAST_SIDE, CAPTION, GAP = 112, 16, 4  # pixels of a tile's shorter side, of the line below it, between tiles


def samples(source: Source, recipe: Recipe, epoch: int, count: int) -> list[tuple[Array, str]]:
    """(uint8 [h, w, 3], caption) of the first `count` images of an epoch, as the first of one worker sees them."""
    batch, seed, classes = min(recipe.train.batch, source.train_size), recipe.train.seed, source.classes
    found: list[tuple[Array, str]] = []
    for step, part in enumerate(source.train(batch, seed, epoch)):
        targets = soft_targets(part.labels, len(classes), 0.0)
        images, targets = mixed_batch(part.images, targets, recipe.augment.mix, seed, epoch, step)
        found += zip(source.pixels(images), (_caption(row, classes) for row in targets), strict=True)
        if len(found) >= count:
            break
    return found[:count]


def _caption(target: Array, classes: tuple[str, ...]) -> str:
    first, second = np.argsort(-target, kind="stable")[:2] if len(target) > 1 else (0, 0)
    if target[first] > 0.995:
        return classes[first]
    return f"{target[first]:.2f} {classes[first]} + {target[second]:.2f} {classes[second]}"


def sheet(tiles: list[tuple[Array, str]]) -> bytes:
    """A PNG of the tiles in rows, small ones enlarged by a whole number; a caption is cut to its tile."""
    from PIL import Image, ImageDraw
    from PIL.Image import Resampling

    height, width = tiles[0][0].shape[:2]
    times = max(1, -(-LEAST_SIDE // min(height, width)))
    wide, high = width * times + GAP, height * times + CAPTION + GAP
    columns = math.ceil(math.sqrt(len(tiles) * high / wide))
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (columns * wide + GAP, rows * high + GAP), "white")
    pen, font = ImageDraw.Draw(page), _font(CAPTION - 4)
    for number, (tile, caption) in enumerate(tiles):
        left, top = GAP + number % columns * wide, GAP + number // columns * high
        shown = Image.fromarray(tile).resize((width * times, height * times), Resampling.NEAREST)
        page.paste(shown, (left, top))
        pen.text((left, top + height * times + 1), _cut(caption, width * times, font), "black", font)
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


def _font(size: int) -> Any:
    """One of the machine's fonts that know many scripts; else Pillow's own, which knows English."""
    from PIL import ImageFont

    for name in FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


def _cut(text: str, width: int, font: Any) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
