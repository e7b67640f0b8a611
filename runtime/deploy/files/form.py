"""What an exported file takes and gives, as far as images and classes go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.metadata import Input, Metadata, Output

FLOATS = ("float32", "float16")
LARGEST_SIDE = 65_536


@dataclass(frozen=True)
class Tensor:
    """An input or an output as its file declares it; a size that is free is None."""

    name: str
    dtype: str
    """As NumPy names it, or as the file does where NumPy has none."""
    shape: tuple[int | None, ...] | None
    """None where even the rank is free."""

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else " × ".join("?" if s is None else str(s) for s in self.shape)
        return f"{shown(self.name)}: {self.dtype} {sizes}"

    @classmethod
    def of(cls, data: Any) -> Tensor:
        """From plain data, as the process that opened the file tells it."""
        shape = data["shape"]
        sizes = None if shape is None else tuple(None if s is None else int(s) for s in shape)
        return cls(str(data["name"]), str(data["dtype"]), sizes)


@dataclass(frozen=True)
class Form:
    """The input for images, and which output answers."""

    input: str
    layout: Input
    dtype: Literal["float32", "float16", "uint8"]
    channels: int
    height: int | None
    width: int | None
    batch: int | None
    """The only number of images that it takes at once, None if any."""
    output: str
    gives: Output

    def array(self, images: Array) -> Array:
        """Images as `layout` says, in the input's own type."""
        return np.ascontiguousarray(images, dtype=self.dtype)


def form_of(
    path: object,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    said: Metadata,
    *,
    softmax: Sequence[str] = (),
) -> Form:
    """How images go in and answers come out; CMT-860 for a file that takes or gives something else.

    `softmax` names outputs that a softmax makes: of a foreign file that is the only sign.
    """
    if len(inputs) != 1:
        names = "; ".join(map(str, inputs[:4])) or "none"
        raise _unlike(path, f"it has {len(inputs)} inputs ({names}), and not one for images")
    given = inputs[0]
    layout: Input = "uint8 NHWC" if given.dtype == "uint8" else "float32 NCHW"
    if given.dtype not in (*FLOATS, "uint8") or given.shape is None or len(given.shape) != 4:
        raise _unlike(path, f"its input is {given}, and not images")
    batch, *rest = given.shape
    channels, height, width = (rest[2], rest[0], rest[1]) if layout == "uint8 NHWC" else rest
    if channels not in (1, 3):
        what = "images of 1 or 3 channels, " + ("NHWC" if layout == "uint8 NHWC" else "NCHW")
        raise _unlike(path, f"its input is {given}, and not {what}")
    if any(side is not None and not 0 < side <= LARGEST_SIDE for side in (batch, height, width)):
        raise _unlike(path, f"its input is {given}, which no images are")
    out = _answer(path, outputs)
    dtype: Any = given.dtype
    gives: Output = "probabilities" if out.name in softmax or said.output == "probabilities" else "logits"
    return Form(given.name, layout, dtype, channels, height, width, batch, out.name, gives)


def _answer(path: object, outputs: Sequence[Tensor]) -> Tensor:
    for name in ("logits", "probabilities"):
        if named := [out for out in outputs if out.name == name]:
            return named[0]
    if len(outputs) != 1:
        names = "; ".join(map(str, outputs[:4])) or "none"
        raise _unlike(path, f"it has {len(outputs)} outputs ({names}), and none is called logits")
    return outputs[0]


def answers(path: object, values: Array, images: int) -> Array:
    """[n, classes] float32 of what was computed for n images; CMT-860 if it is nothing like that."""
    sizes = list(values.shape)
    flat = len(sizes) >= 2 and all(size == 1 for size in sizes[2:]) and sizes[0] == images and sizes[1] > 0
    if not flat or values.dtype.kind not in "fiu":
        what = f"{values.dtype} {' × '.join(map(str, sizes))}"
        raise _unlike(path, f"for {images} images it gives {what}, and not one number for each class")
    return values.reshape(images, -1).astype(np.float32, copy=False)


def shown(name: str) -> str:
    """A name out of a foreign file, fit to print."""
    return ascii(name)[1:-1] if len(name) <= 80 else ascii(name[:80])[1:-1] + " …"


def _unlike(path: object, what: str) -> CmtError:
    return CmtError(
        "CMT-860",
        f"{path} is no classifier of images: {what}",
        hint="it takes images n × channels × height × width of float32, or n × height × width × channels of uint8, "
        "and gives n × classes",
    )
