"""The abstract operator: one class holds every meaning of one operator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from cmt_dsl.ir.tensor import Array, Arrays, Param, TensorType

if TYPE_CHECKING:
    from cmt_dsl.ir.onnx_emitter import OnnxEmitter, OnnxValue

Family = Literal[
    "input",
    "convolution",
    "linear",
    "attention",
    "norm",
    "activation",
    "arithmetic",
    "shape",
    "parameter",
    "noise",
]
"""Kinds of operators as people speak of them."""

LATER: Mapping[str, bool] = MappingProxyType({"later": True})
"""Of a field that an operator got after models had been trained with it: `field(default=1, metadata=LATER)`.

The default must mean what the operator meant before. At the default the attribute is no part of the structure,
so that models which do not use it keep their fingerprints, and their checkpoints fit.
"""


Samples: TypeAlias = "tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]"
"""Operators with the shapes of their inputs; None is the batch, a shape without it is a parameter's."""


class Op(ABC):
    """An operator of the graph; its dataclass fields are its attributes.

    A subclass is `class Gelu(Op, kind="gelu")` and gives `infer`, `numpy`, `mindspore` and `onnx`;
    `params` and `macs` where it has any. Its inputs arrive as positional arguments.
    """

    kind: ClassVar[str]
    arity: ClassVar[tuple[int, int]] = (1, 1)
    """Least and most number of inputs."""
    family: ClassVar[Family]
    """What it is to a reader: how drawings colour it."""
    training_only: ClassVar[bool] = False
    """Whether the operator is there for training alone."""
    passes_on: ClassVar[bool] = False
    """Whether its value is its input, outside of training."""
    random: ClassVar[bool] = False
    """Whether it draws random numbers in training: its Cell has a key and a step to draw by."""
    sized: ClassVar[bool] = False
    """Whether its attributes follow from the size of the image alone."""
    mindspore_names: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What MindSpore's own Cell calls its parameters, where that is another name."""
    data_like: ClassVar[tuple[str, ...]] = ()
    """Attributes that only training reads: part neither of the structure nor of the fingerprint."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    """Attributes are checked strictly when an operator is made from a spec."""

    def __init_subclass__(cls, kind: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = kind

    def attributes(self) -> dict[str, Any]:
        """What tells it from others of its kind, in the order of declaration; without what only training reads."""
        names = [f.name for f in fields(self) if f.name not in self.data_like]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names}

    def structure(self) -> tuple[tuple[str, Any], ...]:
        """The same without `LATER` attributes that have their default."""
        usual = {f.name: f.default for f in fields(self) if f.metadata == LATER}  # type: ignore[arg-type]
        return tuple((k, v) for k, v in self.attributes().items() if k not in usual or v != usual[k])

    def changes(self, other: Op, *, training: bool = False) -> Iterator[tuple[str, Any, Any]]:
        """(name, here, there) of each attribute that another operator of the kind has otherwise.

        With `training` also of those that only training reads.
        """
        for part in fields(self):  # type: ignore[arg-type]
            here, there = getattr(self, part.name), getattr(other, part.name)
            if here != there and (training or part.name not in self.data_like):
                yield part.name, here, there

    @abstractmethod
    def infer(self, *x: TensorType) -> TensorType:
        """The output's type; raises `ShapeError`."""

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        """The parameters the operator owns, given its inputs' types."""
        return ()

    def macs(self, out: TensorType, *x: TensorType) -> int:
        """Multiply-accumulates for one image: convolutions and matrix products only."""
        return 0

    @abstractmethod
    def numpy(self, p: Arrays, *x: Array) -> Array:
        """The reference meaning in inference, on arrays with a batch."""

    @abstractmethod
    def mindspore(self, ms: Emitter, *x: str) -> str:
        """The MindSpore expression on the variables `x`; sub-cells are asked of `ms`."""

    @abstractmethod
    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        """The meaning in inference as ONNX nodes, for values with a batch; constants are folded before."""

    @staticmethod
    @abstractmethod
    def samples() -> Samples:
        """The operator with attributes and input shapes that show all it can do: what each lowering is tested on."""


class Emitter(ABC):
    """What the MindSpore lowering offers to an operator that writes itself down."""

    types: tuple[TensorType, ...]
    """Types of the node's inputs."""
    out: TensorType
    """Type of the node's output."""

    @abstractmethod
    def cell(self, maker: str, *args: object, **kwargs: object) -> str:
        """A sub-cell `maker(*args, **kwargs)` named as the node; returns how to call it."""

    @abstractmethod
    def support(self, name: str, *args: object, **kwargs: object) -> str:
        """The same, for a class of the support cells, which is copied into the file."""

    @abstractmethod
    def takes_sum(self) -> bool:
        """Whether the node's one reader adds the node's input to it; if so, that sum is this node's to compute."""

    @abstractmethod
    def parameter(self, name: str) -> str:
        """A bare parameter of the node; returns the expression that reads it."""
