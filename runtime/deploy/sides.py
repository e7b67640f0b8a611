"""One of two programs that are compared: a checkpoint in a backend, or an exported file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmt_dsl import Model, load_text
from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.checkpoint.load import Imported, load_weights
from runtime.deploy.files.open import File, is_exported
from runtime.deploy.metadata import Metadata, Output
from runtime.infer.backend import backend, loaded

USUAL = "numpy"
"""What computes a checkpoint: the definition itself. The other backends share their lowering with the exported files,
and would make its mistakes again."""


@dataclass(frozen=True)
class Side:
    """A program with what it wants and says; `compute` takes images as `pixels` tells, and gives [n, classes]."""

    what: str
    by: str
    compute: Callable[[Array], Array]
    gives: Output
    channels: int
    height: int | None
    width: int | None
    pixels: int
    """Channels of the uint8 [n, h, w, c] that it takes; 0 where it takes float32 [n, c, h, w]."""
    told: Metadata
    model: Model | None
    weights: Imported | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of its classes in order; none where they are not known."""
        return self.weights.class_names if self.weights is not None else self.told.classes


def opened(
    text: str,
    by: str | None,
    held: contextlib.ExitStack,
    *,
    which: str = "raw",
    batch: int = 32,
    threads: int | None = None,
) -> Side:
    """The program that an argument names, ready to compute until `held` is left. CMT-6xx, 84x, 858 to 861."""
    path = Path(text)
    if is_exported(path):
        return _file(path, by, held, threads)
    found = load_weights(path, which=which)
    named = by or USUAL
    worker = backend(named)
    held.enter_context(worker.session("verify-export"))
    run = loaded(worker, found.program, batch=batch, threads=threads)
    shape = found.graph.input.type.sizes
    told = Metadata(fingerprint=found.graph.fingerprint, precision="fp32")
    return Side(
        text,
        named,
        lambda images: run(images)[0],
        "logits",
        *_three(text, shape),
        0,
        told,
        found.model,
        found,
    )


def _file(path: Path, by: str | None, held: contextlib.ExitStack, threads: int | None) -> Side:
    file = held.enter_context(File(path, by, threads))
    form, told = file.form, file.told
    try:
        model = load_text(told.spec, f"<cmt.spec of {path}>") if told.spec else None
    except CmtError as error:
        message = f"{path}: its property cmt.spec is no model: {error.problems[0].message}"
        raise CmtError("CMT-858", message, hint="write the file anew: cmt export") from None
    height, width = form.height, form.width
    if told.preprocessing is not None:
        height, width = height or told.preprocessing.size[0], width or told.preprocessing.size[1]
    pixels = form.channels if form.layout == "uint8 NHWC" else 0
    channels = model.input.channels if pixels and model is not None else form.channels
    return Side(str(path), file.by, file.compute, form.gives, channels, height, width, pixels, told, model)


def require_alike(a: Side, b: Side) -> tuple[int, int]:
    """(height, width) that both take; CMT-860 where they take other images or name other classes."""
    if a.channels != b.channels:
        raise _apart(a, b, f"{a.channels} channels", f"{b.channels}")
    sizes: list[int] = []
    for one, other, name in ((a.height, b.height, "rows"), (a.width, b.width, "columns")):
        if one is not None and other is not None and one != other:
            raise _apart(a, b, f"images of {one} {name}", str(other))
        sizes.append(one or other or 224)
    if a.names and b.names and a.names != b.names:
        if len(a.names) != len(b.names):
            raise _apart(a, b, f"{len(a.names)} classes", str(len(b.names)))
        if set(a.names) == set(b.names):
            raise _apart(a, b, f"its classes in the order {a.names[0]}, …", f"in that of {b.names[0]}, …")
    return sizes[0], sizes[1]


def try_out(a: Side, b: Side, size: tuple[int, int]) -> int:
    """How many classes both answer with, by one grey image; CMT-860 unless as many."""
    counts: list[int] = []
    for side in (a, b):
        shape = (1, *size, side.pixels) if side.pixels else (1, side.channels, *size)
        image = np.full(shape, 127, np.uint8) if side.pixels else np.zeros(shape, np.float32)
        counts.append(side.compute(image).shape[1])
    if counts[0] != counts[1]:
        raise _apart(a, b, f"{counts[0]} classes", str(counts[1]))
    return counts[0]


def _three(text: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise CmtError("CMT-860", f"{text} takes no images", hint="give a classifier of images")
    return shape[0], shape[1], shape[2]


def _apart(a: Side, b: Side, of_a: str, of_b: str) -> CmtError:
    return CmtError(
        "CMT-860",
        f"{a.what} has {of_a}, {b.what} has {of_b}",
        hint="compare two forms of one model; `cmt verify-export CKPT FILE`",
    )
