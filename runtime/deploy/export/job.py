"""What all formats share: the model to export, its numbers to compare with, and a file that has no name yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from cmt_dsl import cost
from cmt_dsl.ir import Program
from cmt_dsl.lower.numpy import run as reference
from cmt_dsl.passes import FORMS
from cmt_dsl.passes import run as passes
from runtime.array import Array
from runtime.checkpoint.load import Imported
from runtime.deploy.export.facts import labels, metadata
from runtime.deploy.export.inside import normalised, pixels, require_inside
from runtime.deploy.export.wish import Precision, Wish
from runtime.deploy.metadata import Metadata
from runtime.deploy.quantise.exporting import Quantisation

Runs = Callable[[Array], Array]
"""What a file computes: images, float32 [n, c, h, w] or uint8 [n, h, w, 3], to logits or probabilities [n, classes]."""
SEED, SAMPLES, HUGE = 11, 2, 6e9
"""Random images that every export is compared on; one image is enough of a model of so many MACs."""


def _silent(text: str, *, step: bool = False) -> None:
    """Where nobody looks on."""


@dataclass(frozen=True, eq=False)
class Job:
    """One export: weights and what they shall become. `tell` is given what is being done, in words."""

    found: Imported
    wish: Wish
    tell: Callable[..., object] = field(default=_silent)
    int8: Quantisation | None = None
    """Where that is wished."""

    @cached_property
    def program(self) -> Program:
        """The program that is written: folded for its runtime, if that is wished."""
        if not self.wish.optimise:
            return self.found.program
        self.tell("folding the graph …", step=True)
        return passes(self.found.program, FORMS[self.wish.flavour or "plain"])[0]

    @cached_property
    def metadata(self) -> Metadata:
        """What the file says of itself. CMT-850 where preprocessing cannot be inside."""
        made = metadata(self.found, self.wish)
        if self.wish.preprocess:
            graph = self.found.graph
            require_inside(made.preprocessing, graph.output.type.shape, graph.name)
        return made

    @property
    def precision(self) -> Precision:
        """What the file that is compared computes in: of an .om that is its ONNX file."""
        return "fp32" if self.wish.kind == "om" else self.wish.precision

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes as people call them."""
        return labels(self.found)

    @cached_property
    def samples(self) -> Array:
        """A few random images, in the form in which the file takes them; the same ones every time."""
        graph, rng = self.found.graph, np.random.default_rng(SEED)
        count = 1 if cost(graph).total.macs > HUGE else SAMPLES
        if self.int8 is not None:  # noise is beyond the ranges that it was calibrated for
            return self.shown(self.int8.images[:count])
        channels, height, width = graph.input.type.sizes
        if self.wish.preprocess:
            return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        return rng.standard_normal((count, channels, height, width)).astype(np.float32)

    def shown(self, images: Array) -> Array:
        """Normalised images in the form in which the file takes them."""
        how = self.metadata.preprocessing
        return pixels(images, how) if self.wish.preprocess and how is not None else images

    @cached_property
    def expected(self) -> Array:
        """Logits of the samples by the NumPy reference of the model as it was trained."""
        images = self.samples
        if self.wish.preprocess and self.metadata.preprocessing is not None:
            images = normalised(images, self.metadata.preprocessing)
        self.tell(f"computing {len(images)} images with the NumPy reference …", step=True)
        return reference(self.found.graph, self.found.arrays, images)


@dataclass(frozen=True)
class Staged:
    """A finished file or folder in its hidden place."""

    made: Path
    """What will get the name."""
    by: str
    """What reads it back."""
    opened: Callable[[], Runs] | None
    """It in its runtime, which is loaded now and not before; None where nothing here can compute it."""
    nodes: int
    why_not: str = ""
    """Why it could not be compared, where it could not."""
    notes: tuple[str, ...] = ()
    beside: tuple[Path, ...] = ()
    """Other finished files, which get their own names in the folder of `made`'s."""
