"""What the ONNX lowering offers to an operator that writes itself down, and how a value lies in memory there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cmt_dsl.ir.tensor import Array, TensorType

Layout = Literal["map", "tokens", "swapped", "split"]
"""How a value of four axes (n, a, b, c) lies: `map` as the graph says it, `tokens` [n, b·c, a], `swapped` [n, a, c, b],
`split` [n, c, a, b]. A map's tokens are what layer norms and linear layers read; attention's [n, heads, d, tokens] is
`split` where it has just been cut out of tokens. Values of fewer axes have `map` alone."""


@dataclass(eq=False)
class OnnxValue:
    """A value of the graph: the ONNX tensors that hold it, by layout, the one that was computed first; or a constant."""

    path: str
    type: TensorType
    forms: dict[Layout, str] = field(default_factory=dict[Layout, str])
    constant: Array | None = None
    """Of a value without a batch: what it is, whatever the image."""

    @property
    def layout(self) -> Layout:
        """The layout that it was computed in."""
        return next(iter(self.forms))


class OnnxEmitter(ABC):
    """Writes the nodes of one operator. Tensors are named after paths; what is read in another layout is converted once."""

    types: tuple[TensorType, ...]
    """Types of the node's inputs."""
    out: TensorType
    """Type of the node's output."""
    opset: int
    """Version of ONNX's own operators that may be used, 17 or more."""
    weights: Mapping[str, Array]
    """The node's parameters by their own names, float32."""

    @abstractmethod
    def read(self, x: OnnxValue, layout: Layout = "map") -> str:
        """The tensor that holds `x` in that layout, converted where it has to be."""

    @abstractmethod
    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """An ONNX node of the default domain; its output."""

    @abstractmethod
    def initialiser(self, name: str, values: Array) -> str:
        """A constant of the node's own, as `path.name`."""

    @abstractmethod
    def number(self, value: float) -> str:
        """A scalar constant."""

    @abstractmethod
    def sizes(self, *values: int) -> str:
        """A constant vector of whole numbers: axes, bounds."""

    @abstractmethod
    def give(self, tensor: str, layout: Layout = "map") -> OnnxValue:
        """The node's value, held by the tensor that the last of its ONNX nodes gave."""

    @abstractmethod
    def reshape(self, tensor: str, *sizes: int) -> str:
        """The tensor in another shape `[n, *sizes]`."""

    @abstractmethod
    def unary(self, kind: str, x: OnnxValue, *constants: str, **attributes: object) -> OnnxValue:
        """An elementwise ONNX node in whatever layout `x` has."""

    @abstractmethod
    def binary(self, kind: str, a: OnnxValue, b: OnnxValue) -> OnnxValue:
        """An elementwise ONNX node on two values that broadcast, in the layout that costs the fewest conversions."""

    @abstractmethod
    def reduce(self, kind: str, tensor: str, axes: Sequence[int], keep: bool = True) -> str:
        """A reduction (`ReduceMean`, …), however the opset spells its axes."""

    @abstractmethod
    def softmax(self, x: OnnxValue, axes: Sequence[int]) -> OnnxValue:
        """Softmax along one axis, or along two neighbours as one."""
