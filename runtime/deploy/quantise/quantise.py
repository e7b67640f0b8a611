"""A program in int8 for one runtime: folded, calibrated once, and written as often as somebody asks what a part costs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from cmt_dsl.ir import Program
from cmt_dsl.passes import FORMS, run
from runtime.array import Array
from runtime.deploy.quantise.nodes import DELICATE, Kind, Quantisable, chosen, quantisable
from runtime.deploy.quantise.qdq import Placement, tensors, with_qdq
from runtime.deploy.quantise.ranges import Compute, Method, ranges, with_outputs

For = Literal["ort", "openvino"]
"""Whom it is for: ONNX Runtime or OpenVINO."""
BATCH = 16
"""Images at once while calibrating and measuring."""
PLACEMENTS: Mapping[For, Placement] = MappingProxyType(
    {"ort": Placement(outputs=True), "openvino": Placement(outputs=False)}
)
LEFT: Mapping[For, tuple[Kind, ...]] = MappingProxyType({"ort": DELICATE, "openvino": DELICATE})
"""Kinds in float unless they are asked for."""


@dataclass(frozen=True)
class How:
    """What may be said of a quantisation. CMT-856 for patterns that mean nothing."""

    keep: tuple[str, ...] = ()
    """Kinds, stages and names of nodes that stay in float."""
    quantise: tuple[str, ...] = ()
    """Those that would stay in float, and shall not."""
    method: Method = "minmax"
    weight_bits: int | None = None
    """8, or 7 where products of two bytes would overflow; None: what this processor wants."""


class Quantiser:
    """A program on its way to int8. `images` are prepared training images, float32 [n, c, h, w]."""

    def __init__(
        self, program: Program, images: Array, for_: For, how: How | None = None, opset: int = 17
    ) -> None:
        """The program is folded already, or shall not be."""
        self.program, self.images, self.opset = program, images, opset
        self.for_: For = for_
        self.how = how if how is not None else How()
        bits = self.how.weight_bits
        self.weight_bits = bits if bits is not None else bits_here()

    def floats(self, batch: int | None = None) -> Any:
        """The model in float32, for `batch` images, None: any number."""
        from cmt_dsl.lower.onnx import Form, to_onnx

        return to_onnx(self.program, Form(self.for_, self.opset, batch))

    def model(self, batch: int | None = None, *, keep: Sequence[str] = ()) -> Any:
        """The model in int8 with these left in float as well. CMT-856 where nothing remains."""
        return with_qdq(self.floats(batch), self.nodes(keep), self.ranges, self._placement)

    def nodes(self, keep: Sequence[str] = ()) -> tuple[Quantisable, ...]:
        """What is int8."""
        how = self.how
        return chosen(self._all, LEFT[self.for_], (*how.keep, *keep), how.quantise)

    def left(self) -> tuple[Quantisable, ...]:
        """What could be int8 and stays in float."""
        taken = {each.name for each in self.nodes()}
        return tuple(each for each in self._all if each.name not in taken)

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Of the tensors that become int8, by the runtime that it is for."""
        names = tensors(self.nodes(), self._placement)
        seen = opened(with_outputs(self.floats(), names), self.for_, min(BATCH, len(self.images)))
        return ranges(seen, names, self.images, BATCH, self.how.method)

    @cached_property
    def _all(self) -> tuple[Quantisable, ...]:
        return quantisable(self.floats())

    @property
    def _placement(self) -> Placement:
        return replace(PLACEMENTS[self.for_], weight_bits=self.weight_bits)


def quantised(
    program: Program,
    images: Array,
    *,
    for_: For,
    keep: Sequence[str] = (),
    quantise: Sequence[str] = (),
    method: Method = "minmax",
    batch: int | None = None,
) -> Any:
    """The program folded for a runtime, as an ONNX model that it computes in int8; calibrated on `images`.

    For OpenVINO compile it for a fixed batch: it is faster so, and int8 depthwise convolutions of a free one were once
    seen to be wrong on a processor without AMX (2026.4).
    """
    folded, _ = run(program, FORMS[for_])
    how = How(tuple(keep), tuple(quantise), method)
    return Quantiser(folded, images, for_, how).model(batch)


def opened(model: Any, for_: For, batch: int) -> Compute:
    """A model in its runtime, in float32 where it is not int8; given at most `batch` images each time."""
    from runtime.device.isa import whole_instruction_set
    from runtime.infer.backends import onnxruntime, openvino

    if for_ == "openvino":
        shared = openvino.Shared(model.SerializeToString(), batch, "CPU", "float32", None)

        def by_openvino(images: Array) -> list[Array]:
            with openvino.failures(), whole_instruction_set():
                return shared(images)

        return by_openvino
    session = onnxruntime.opened(model.SerializeToString())
    name = session.get_inputs()[0].name

    def by_onnxruntime(images: Array) -> list[Array]:
        with onnxruntime.failures():
            return session.run(None, {name: images})

    return by_onnxruntime


def bits_here() -> int:
    """Of weights: 7 on an x86 processor that says it lacks VNNI, where sums of two products overflow 16 bits."""
    if not sys.platform.startswith("linux"):
        return 8
    facts = Path("/proc/cpuinfo")
    flags = (
        next((line for line in facts.read_text().splitlines() if line.startswith("flags")), "")
        if facts.is_file()
        else ""
    )
    return 7 if flags and "vnni" not in flags else 8
