"""What may be chosen of an ONNX model: for whom, how new, how many images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cmt_dsl.errors import CmtError

Flavour = Literal["plain", "ort", "openvino", "ascend"]
"""Whom a model is written for: anybody, ONNX Runtime, OpenVINO, Ascend's ATC."""
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

OPSETS = range(17, 24)
"""Versions of the operators that can be written. 17 is read by ATC and MindSpore Lite; from 20 on GELU is one node."""
READ_BY_ATC = range(17, 19)


@dataclass(frozen=True)
class Form:
    """How a model is written.

    `batch` is the number of images each run takes, None any number. CMT-309 for what cannot be.
    """

    flavour: Flavour = "plain"
    opset: int = 17
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.flavour not in FLAVOURS:
            raise CmtError("CMT-309", f"there is no flavour '{self.flavour}'", hint=", ".join(FLAVOURS))
        if self.opset not in OPSETS:
            hint = f"{OPSETS[0]} to {OPSETS[-1]}; 17 is read by most"
            raise CmtError("CMT-309", f"opset {self.opset} cannot be written", hint=hint)
        if self.batch is not None and self.batch < 1:
            raise CmtError("CMT-309", f"a batch of {self.batch} images cannot be", hint="1 or more")
        if self.flavour == "ascend" and self.batch is None:
            raise CmtError("CMT-309", "Ascend's ATC needs a fixed batch", hint="--batch 1")
        if self.flavour == "ascend" and self.opset not in READ_BY_ATC:
            message = f"Ascend's ATC does not read opset {self.opset}"
            raise CmtError("CMT-309", message, hint=f"{READ_BY_ATC[0]} or {READ_BY_ATC[-1]}")

    @property
    def tokens_first(self) -> bool:
        """Where sums of a map and tokens cost the same on either: ONNX Runtime merges transposes into its own reorders."""
        return self.flavour == "ort"
