"""A graph of one operator by hand: its inputs are parameters, so one gradient covers inputs and weights."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cmt_dsl import Graph
from cmt_dsl.ir import Node, Op, TensorType
from cmt_dsl.ops import make, registry

Shapes = tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True)
class Sample:
    """An operator and the shapes of its inputs (None is the batch; a shape without it is a parameter)."""

    op: Op
    shapes: Shapes
    number: int

    @property
    def name(self) -> str:
        return f"{self.op.kind}-{self.number}"

    @property
    def inputs(self) -> list[str]:
        return [f"in{i}" for i in range(len(self.shapes))]

    @cached_property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(map(TensorType, self.shapes))

    def values(self, batch: int) -> dict[str, np.ndarray]:
        """Inputs and parameters by path, random; variances are positive."""
        random = np.random.default_rng(zlib.crc32(self.name.encode()))
        shapes = {f"in{i}": [d or batch for d in shape] for i, shape in enumerate(self.shapes)}
        shapes |= {f"it.{p.name}": list(p.shape) for p in self.op.params(*self.types)}
        found = {k: random.standard_normal(s).astype(np.float32) for k, s in shapes.items()}
        above = {
            "it.running_var",
            *(["in0"] if self.op.kind == "power" else ["in1"] * (self.op.kind == "div")),
        }
        return {k: 0.5 + np.abs(v) if k in above else v for k, v in found.items()}

    def graph(self, batch: int) -> Graph:
        """A model that ignores its image: `it` reads `in0`, `in1`, … whose types say that they have a batch."""
        image = make("input", {"channels": 1, "height": 1, "width": 1})
        nodes = [Node("input", image, (), TensorType((None, 1, 1, 1)))]
        for path, shape, type_ in zip(self.inputs, self.shapes, self.types, strict=True):
            op = make("parameter", {"shape": tuple(d or batch for d in shape), "init": "normal"})
            nodes.append(Node(path, op, (), type_, op.params()))
        params = self.op.params(*self.types)
        nodes.append(Node("it", self.op, tuple(self.inputs), self.op.infer(*self.types), params))
        return Graph(self.name.replace("-", "_"), tuple(nodes), (), (("value", nodes[-1].path),))

    def numpy(self, values: dict[str, np.ndarray]) -> np.ndarray:
        p = {k[3:]: v for k, v in values.items() if k.startswith("it.")}
        return self.op.numpy(p, *(values[path] for path in self.inputs))

    def training(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """The meaning in training, in float64, written without the reference where that is not exact."""
        x = values["in0"]
        if self.op.kind == "batch_norm":
            mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
            y = (x - mean) / np.sqrt(var + self.op.eps)  # type: ignore[attr-defined]
            return y * values["it.weight"][:, None, None] + values["it.bias"][:, None, None]
        if self.op.kind == "gelu" and self.op.form == "erf":  # type: ignore[attr-defined]
            return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        return self.numpy(values)


def samples() -> list[Sample]:
    """Every sample of every operator that reads something; parameters are what the others read."""
    found: list[Sample] = []
    for op in registry().values():
        found += [Sample(made, shapes, i) for i, (made, shapes) in enumerate(op.samples()) if shapes]
    return found
