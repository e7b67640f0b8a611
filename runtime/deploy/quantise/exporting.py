"""An export's int8: calibrated and measured on its data, refused where it costs too much."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from runtime.array import Array
from runtime.checkpoint.load import Imported
from runtime.data.calibration import calibration_images
from runtime.data.held_out import held_out
from runtime.data.source import Source
from runtime.deploy.quantise.accuracy import Blame, accuracy, limited, sensitivity
from runtime.deploy.quantise.quantise import BATCH, For, How, Quantiser, opened
from runtime.deploy.quantise.ranges import Compute
from runtime.infer.evaluate import Measured

KEY = "int8"
"""What a file says of its calibration, beside the keys of `Metadata`: cmt.int8."""


@dataclass(frozen=True)
class Int8:
    """What was asked."""

    data: str
    images: int = 200
    allowed: float = 1.0
    """Points of top-1 that may be lost."""
    how: How = field(default_factory=How)
    limit: int | None = None
    """Held-out images to measure on; None: all."""
    sensitivity: bool = False
    seed: int = 0


def asked(
    precision: str | None, data: str | None, said: dict[str, Any], *, keep: list[str], quantise: list[str]
) -> Int8 | None:
    """What the options say; None where the export is not int8.

    `said` are images, allowed, limit, sensitivity, method and weight_bits, None or False being silence.
    CMT-854 for int8 without data, CMT-857 for its options without it.
    """
    said = {key: value for key, value in said.items() if value is not None and value is not False}
    if precision != "int8":
        if data is not None or keep or quantise or said:
            message = "--data and the options of quantisation are for int8"
            raise CmtError("CMT-857", message, hint="add --precision int8, or leave them out")
        return None
    if data is None:
        message = "int8 needs images: ranges are read off training ones, the accuracy off held-out ones"
        raise CmtError("CMT-854", message, hint="--data DIR, as in training")
    how = {key: said.pop(key) for key in ("method", "weight_bits") if key in said}
    return Int8(data, how=How(tuple(keep), tuple(quantise), **how), **said)


@dataclass(frozen=True)
class Accepted:
    """An int8 file that loses no more than is allowed."""

    before: Measured
    after: Measured
    classes: int
    blame: Blame | None
    facts: dict[str, Any]

    def text(self) -> str:
        """As the summary says it."""
        few = f"{self.after.images:,} held-out images, {self.classes} classes"
        return f"top-1 {self.before.top1:.2%} in float32, {self.after.top1:.2%} in int8 ({few})"

    def json(self) -> dict[str, Any]:
        return {
            **self.facts,
            "top1_float32": self.before.top1,
            "top1": self.after.top1,
            "images_measured": self.after.images,
            "classes": self.classes,
            "sensitivity": self.blame.json() if self.blame else None,
        }


class Quantisation:
    """One export's int8, for a runtime. `tell` is given what is being done."""

    def __init__(
        self, found: Imported, wanted: Int8, for_: For, opset: int, tell: Callable[..., object]
    ) -> None:
        self.found, self.wanted, self.opset, self.tell = found, wanted, opset, tell
        self.for_: For = for_
        self._quantiser: Quantiser | None = None

    @cached_property
    def source(self) -> Source:
        """The held-out images. CMT-502, 511, 512 where their classes are not the model's."""
        found = self.found
        opened_ = held_out(self.wanted.data, found.model, found.recipe, found.class_names, None, found.path)
        return limited(opened_.source, self.wanted.limit)

    @cached_property
    def images(self) -> Array:
        """The training images to calibrate with. CMT-854."""
        found, wanted = self.found, self.wanted
        self.tell(f"reading {wanted.images} training images …", step=True)
        return calibration_images(
            wanted.data, found.model, found.recipe, wanted.images, wanted.seed, beside=found.path
        )

    def quantiser(self, program: Program) -> Quantiser:
        """Of the program as it is exported; calibrated when its model is first asked for."""
        if self._quantiser is None:
            _ = self.source  # before anything that takes long
            made = Quantiser(program, self.images, self.for_, self.wanted.how, self.opset)
            self.tell(f"calibrating on {len(self.images)} images …", step=True)
            self._quantiser = made
        return self._quantiser

    def facts(self, program: Program) -> dict[str, Any]:
        """How it was made, for who reads the file."""
        made = self.quantiser(program)
        return {
            "images": len(made.images),
            "data": self.source.name if self.wanted.data == "digits" else "training images",
            "method": made.how.method,
            "seed": self.wanted.seed,
            "weight_bits": made.weight_bits,
            "nodes": len(made.nodes()),
            "float": [each.name for each in made.left()],
        }

    def props(self, program: Program) -> str:
        """The same as a file holds it."""
        return json.dumps(self.facts(program), ensure_ascii=False)

    def accepted(self, program: Program, compute: Compute, batch: int) -> Accepted:
        """Measure the file that `compute` is, `batch` images at once. CMT-855 beyond the allowed loss, with the blame."""
        made, source, wanted = self.quantiser(program), self.source, self.wanted
        few = f"{source.val_size:,} held-out images"
        self.tell(f"measuring float32 on {few} …", step=True)
        size = min(BATCH, source.val_size)
        before = accuracy(opened(made.floats(), self.for_, size), source, size)
        self.tell(f"measuring int8 on {few} …", step=True)
        after = accuracy(compute, source, batch)
        lost = 100 * (before.top1 - after.top1)
        refused = not lost <= wanted.allowed
        blame = None
        if refused or wanted.sensitivity:
            blame = sensitivity(made, source, after, lambda text: self.tell(text, step=True))
        if refused and blame is not None:
            helping = [p.name for p in blame.parts if p.gain > 0][:1]
            keep = f"--keep {helping[0]}, " if helping else ""
            raise CmtError(
                "CMT-855",
                f"int8 loses {lost:.2f} points of top-1 ({before.top1:.2%} to {after.top1:.2%} of {few}), "
                f"{wanted.allowed:g} are allowed; nothing was kept. Most of it costs {blame.worst()}\n"
                + "\n".join(blame.table()),
                hint=f"{keep}another --calibrate, more --images, or --allowed-loss {lost + 0.05:.1f}",
            )
        return Accepted(before, after, len(source.classes), blame, self.facts(program))
