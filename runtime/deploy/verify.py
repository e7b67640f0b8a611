"""Two programs on the same held-out images, one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.classes import class_names
from runtime.data.held_out import Asked, held_out
from runtime.data.image.transforms import LUMA
from runtime.data.open import as_model_sees, open_source
from runtime.data.source import Shard, Source, View
from runtime.deploy.metadata import PRECISIONS, Preprocessing
from runtime.deploy.sides import Side, require_alike, try_out
from runtime.deploy.verified import AGREE, ALLOWED, Row, Verified
from runtime.infer.metrics import softmax
from runtime.recipe.schema import DataGroup

CROP = 0.875
"""Of a foreign file, which does not say it: the share that most are validated with."""


def verify(
    a: Side,
    b: Side,
    data: str,
    *,
    asked: Asked | None = None,
    limit: int | None = None,
    batch: int = 32,
    allowed: float | None = None,
    agree: float | None = None,
    named: bool = False,
    tell: Callable[..., object] = lambda text, step=False: None,
) -> Verified:
    """How far B is from A on the held-out images of `data`, or on `limit` of them, spread evenly. CMT-5xx, 860, 861.

    `allowed` and `agree` None are as the coarser precision of the two wants it. With `named` every image gets its name,
    otherwise those that the two decide differently: asking for a name may read a file.
    """
    asked = asked if asked is not None else Asked()
    size = require_alike(a, b)
    tell("trying both on one image …", step=True)
    classes = try_out(a, b, size)
    source, notes = _images(a, b, data, asked, size, classes)
    how = next((s.told.preprocessing for s in (a, b) if s.pixels and s.told.preprocessing), None)
    if a.pixels or b.pixels:
        notes = (*notes, "images were rounded to 8 bits for both, as one of the two takes pixels")
    if a.told.fingerprint and b.told.fingerprint and a.told.fingerprint != b.told.fingerprint:
        notes = (*notes, "warning: by their fingerprints the two were made of different graphs")
    chances = "probabilities" in (a.gives, b.gives)
    precision = max((s.told.precision or "fp32" for s in (a, b)), key=PRECISIONS.index)
    only_decisions = precision == "int8" and allowed is None
    found = Verified(
        a.what, b.what, (a.by, b.by), source.name, "probabilities" if chances else "logits",
        tuple(source.classes), precision,
        None if only_decisions else allowed if allowed is not None else ALLOWED.get(precision, ALLOWED["fp32"]),
        agree if agree is not None else AGREE if only_decisions else 0.0, notes=notes,
    )  # fmt: skip
    total = min(limit or source.val_size, source.val_size)
    batch = min(batch, total)
    for part in source.val(batch, Shard(0, source.val_size // total)):
        count = min(part.count, total - len(found.rows))
        pixels = source.pixels(part.images) if a.pixels or b.pixels else None
        values = [
            _values(side, _shown(side, part.images, pixels, how), chances)[:count].astype(np.float64)
            for side in (a, b)
        ]
        _add(found, values[0], values[1], part.labels[:count], part.name_of, named)
        tell(f"compared {len(found.rows):,} of {total:,} images")
        if len(found.rows) == total:
            break
    return found


def _images(
    a: Side, b: Side, data: str, asked: Asked, size: tuple[int, int], classes: int
) -> tuple[Source, tuple[str, ...]]:
    """The data as the checkpoint wants it, or as a file says; and what to tell."""
    names = a.names or b.names
    for side in (a, b):
        if side.weights is not None:
            found = side.weights
            opened = held_out(data, found.model, found.recipe, names, asked, found.path)
            return opened.source, opened.notes
    how = a.told.preprocessing or b.told.preprocessing
    view = View(a.channels, *size, how.crop if how else CROP)
    source = open_source(data, view, group=asked.group(DataGroup()))
    given = class_names(asked.classes) if asked.classes is not None else names
    source, notes = as_model_sees(source, classes, given)
    said = (
        ""
        if how
        else f"neither file says how it wants its images: ImageNet's mean and deviation, crop {CROP}"
    )
    return source, (*source.notes, *notes, *([said] if said else []))


def _shown(side: Side, images: Array, pixels: Array | None, how: Preprocessing | None) -> Array:
    """The images as a side takes them; where one takes pixels, the other gets those same pixels normalised."""
    if pixels is None:
        return images
    if side.pixels:
        return pixels if side.pixels == 3 else np.rint(pixels @ LUMA[:, None]).astype(np.uint8)
    if how is None:
        return images
    seen = pixels.astype(np.float32) / 255
    planes = seen @ LUMA[:, None] if len(how.mean) == 1 else seen
    scaled = (planes - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)


def _values(side: Side, images: Array, chances: bool) -> Array:
    values = side.compute(images)
    return softmax(values.astype(np.float64)) if chances and side.gives == "logits" else values


def _add(
    found: Verified, a: Array, b: Array, labels: Array, name_of: Callable[[int], str] | None, named: bool
) -> None:
    """A row for each image."""
    if a.shape != b.shape:
        raise CmtError("CMT-860", f"{found.a} and {found.b} answer with other numbers of classes")
    sound = np.isfinite(a).all(axis=1), np.isfinite(b).all(axis=1)
    found.broken = (found.broken[0] + int((~sound[0]).sum()), found.broken[1] + int((~sound[1]).sum()))
    both = sound[0] & sound[1]
    gaps = np.abs(np.where(both[:, None], a, 0) - np.where(both[:, None], b, 0))
    decided = [
        np.where(ok, np.where(ok[:, None], v, 0).argmax(axis=1), -1)
        for v, ok in ((a, sound[0]), (b, sound[1]))
    ]
    found.scale = max(found.scale, float(np.abs(np.where(sound[0][:, None], a, 0)).max(initial=0.0)))
    for row in range(len(labels)):
        differs = decided[0][row] != decided[1][row]
        name = name_of(row) if name_of is not None and (named or differs) else ""
        found.rows.append(
            Row(
                name, int(labels[row]), int(decided[0][row]), int(decided[1][row]),
                float(gaps[row].max()), float(gaps[row].mean()),
            )
        )  # fmt: skip
