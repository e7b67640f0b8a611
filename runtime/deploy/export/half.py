"""An ONNX model in half precision: weights and products in float16, what is delicate in islands of float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError

ISLANDS = {
    "LayerNormalization",
    "SkipLayerNormalization",
    "BatchNormalization",
    "Softmax",
    "GlobalAveragePool",
    "AveragePool",
    "ReduceMean",
    "ReduceSum",
    "Pow",
    "Exp",
}
"""Operators that sum many values or know large ones: they read and give float32."""
LARGEST = float(np.finfo(np.float16).max)


def to_half(model: Any) -> None:
    """Change a float32 model, in place: its input and outputs stay float32. CMT-850 for a weight beyond float16."""
    _Half(model).change()


class _Half:
    def __init__(self, model: Any) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self.arrays, self.make, self.types = numpy_helper, helper, TensorProto
        self.graph = model.graph
        self.given = {t.name: t for t in self.graph.initializer}
        floats = [*(v for v in self.graph.input if v.type.tensor_type.elem_type == TensorProto.FLOAT)]
        self.wide: dict[str, bool] = {v.name: True for v in floats}
        """Of each floating-point value: whether it is float32."""
        self.constants: dict[str, Any] = {}
        self.nodes: list[Any] = []
        self.cast: dict[tuple[str, bool], str] = {}

    def change(self) -> None:
        outputs = {value.name for value in self.graph.output}
        for node in self.graph.node:
            wide = node.op_type in ISLANDS
            node.input[:] = [self._as(name, wide) for name in node.input]
            self.nodes.append(node)
            whole = node.op_type in ("Shape", "Size", "ArgMax") or (
                node.op_type == "Cast" and node.attribute[0].i != self.types.FLOAT
            )
            if whole:
                continue
            if node.op_type == "Cast":
                node.attribute[0].i = self.types.FLOAT if wide else self.types.FLOAT16
            for i, name in enumerate(node.output):
                if name in outputs and not wide:
                    node.output[i] = f"{name}/half"
                    self.wide[node.output[i]] = False
                    self._cast(node.output[i], name, wide=True)
                elif name:
                    self.wide[name] = wide
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(self.constants.values())

    def _as(self, name: str, wide: bool) -> str:
        """The value `name` in the precision that its reader takes; what is no fraction stays."""
        tensor = self.given.get(name)
        if tensor is not None:
            return self._constant(tensor, wide)
        if name not in self.wide or self.wide[name] == wide:
            return name
        if (name, wide) not in self.cast:
            other = f"{name}/{'float' if wide else 'half'}"
            self.cast[name, wide] = other
            self._cast(name, other, wide)
        return self.cast[name, wide]

    def _cast(self, name: str, other: str, wide: bool) -> None:
        to = self.types.FLOAT if wide else self.types.FLOAT16
        self.nodes.append(self.make.make_node("Cast", [name], [other], f"{other}/cast", to=to))
        self.wide[other] = wide

    def _constant(self, tensor: Any, wide: bool) -> str:
        if wide or tensor.data_type != self.types.FLOAT:
            self.constants[tensor.name] = tensor
            return tensor.name
        name = f"{tensor.name}.half"
        if name not in self.constants:
            values = self.arrays.to_array(tensor)
            largest = float(np.abs(values).max(initial=0.0))
            if not largest <= LARGEST:
                message = f"{tensor.name} holds {largest:.3g}, and float16 ends at {LARGEST:.0f}"
                raise CmtError("CMT-850", message, hint="--precision fp32")
            self.constants[name] = self.arrays.from_array(values.astype(np.float16), name)
        return name
