"""The nodes of an ONNX graph, one operator at a time, and every value in the layouts it is read in.

Nothing decides on layouts beforehand. An operator reads what it needs in the layout it likes; the first reader of another
layout pays the conversion, the next ones share it; sums and gates are computed where the fewest conversions are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from cmt_dsl.ir import Array, Layout, Node, OnnxEmitter, OnnxValue, TensorType
from cmt_dsl.lower.onnx.form import Form
from cmt_dsl.lower.onnx.layouts import lying, order, step, tokens_do

_FOUR: tuple[Layout, ...] = ("map", "split", "swapped", "tokens")


class Writer(OnnxEmitter):
    """Collects nodes and constants; `begin` says whose turn it is."""

    def __init__(self, form: Form) -> None:
        self.form, self.opset = form, form.opset
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self.path = ""
        self.types, self.out, self.weights = (), TensorType(()), {}
        self._own: list[NodeProto] = []
        self._names: set[str] = set()
        self._ends: dict[str, str] = {}

    def begin(self, node: Node, types: Sequence[TensorType], weights: Mapping[str, Array]) -> None:
        """The next node of the graph: what it writes carries its path."""
        self.path, self.types, self.out, self.weights = node.path, tuple(types), node.type, weights
        self._own = []

    def end(self, tensor: str, name: str) -> str:
        """A tensor as an output of the model called `name`; nothing may be read any more once there is one."""
        tensor = self._ends.get(tensor, tensor)
        if tensor == name:
            self._ends[name] = name
            return name
        if name in self._names:  # by the same value in another layout, or by a node of that path
            self._everywhere(name, self._free(f"{name}/inside"))
        if tensor in self._names and tensor not in self._ends.values():
            self._everywhere(tensor, name)
        else:
            self.nodes.append(helper.make_node("Identity", [tensor], [name], name=f"{name}/output"))
            self._names.add(name)
        return name

    # what operators ask for

    def read(self, x: OnnxValue, layout: Layout = "map") -> str:
        """See `OnnxEmitter`."""
        if layout not in x.forms:
            if x.constant is not None:
                x.forms[layout] = self._constant(self._free(f"{x.path}.{layout}"), lying(x.constant, layout))
            else:
                source: Layout = next(form for form in _FOUR if form in x.forms)
                x.forms[layout] = self._converted(x, source, layout)
        return x.forms[layout]

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """See `OnnxEmitter`."""
        made = self._node(self._free(f"{self.path}/{kind.lower()}"), kind, inputs, attributes)
        self._own.append(made)
        return made.output[0]

    def initialiser(self, name: str, values: Array) -> str:
        """See `OnnxEmitter`."""
        return self._constant(f"{self.path}.{name}", values)

    def number(self, value: float) -> str:
        """See `OnnxEmitter`."""
        return self._constant(f"const.{value:.9g}", np.float32(value))

    def sizes(self, *values: int) -> str:
        """See `OnnxEmitter`."""
        return self._constant("sizes." + "x".join(map(str, values)), np.array(values, np.int64))

    def give(self, tensor: str, layout: Layout = "map") -> OnnxValue:
        """See `OnnxEmitter`."""
        for made in self._own:
            if tensor in made.output and self.path not in self._names:
                self._rename(made, tensor)
                tensor = self.path
        return OnnxValue(self.path, self.out, {layout: tensor})

    def reshape(self, tensor: str, *sizes: int) -> str:
        """See `OnnxEmitter`."""
        return self.node("Reshape", tensor, self._shape(sizes))

    def unary(self, kind: str, x: OnnxValue, *constants: str, **attributes: object) -> OnnxValue:
        """See `OnnxEmitter`."""
        return self.give(self.node(kind, self.read(x, x.layout), *constants, **attributes), x.layout)

    def binary(self, kind: str, a: OnnxValue, b: OnnxValue) -> OnnxValue:
        """See `OnnxEmitter`."""
        layout = self._common(a, b) if len(self.out.shape) == 4 else "map"
        return self.give(self.node(kind, self.read(a, layout), self.read(b, layout)), layout)

    def reduce(self, kind: str, tensor: str, axes: Sequence[int], keep: bool = True) -> str:
        """See `OnnxEmitter`."""
        if self.opset >= 18 or kind == "ReduceSum":
            return self.node(kind, tensor, self.sizes(*axes), keepdims=int(keep))
        return self.node(kind, tensor, axes=tuple(axes), keepdims=int(keep))

    def softmax(self, x: OnnxValue, axes: Sequence[int]) -> OnnxValue:
        """See `OnnxEmitter`."""
        if x.layout == "tokens" and tuple(axes) in ((1,), (2, 3)):
            axis = 2 if tuple(axes) == (1,) else 1
            return self.give(self.node("Softmax", self.read(x, "tokens"), axis=axis), "tokens")
        if len(axes) == 1:
            layout = "map" if x.layout == "tokens" else x.layout
            axis = order(layout).index(axes[0]) if layout != "map" else axes[0]
            last = -1 if axis == len(x.type.shape) - 1 else axis
            return self.give(self.node("Softmax", self.read(x, layout), axis=last), layout)
        first, second = x.type.sizes[0], prod(x.type.sizes[1:])
        flat = self.node("Softmax", self.reshape(self.read(x), first, second), axis=-1)
        return self.give(self.reshape(flat, *x.type.sizes))

    # how it is done

    def _common(self, a: OnnxValue, b: OnnxValue) -> Layout:
        """The layout for two values: the one that most of those with a batch have, on a tie as the form says."""
        moving = [x for x in (a, b) if x.constant is None]
        able: list[Layout] = [
            x for x in _FOUR if x != "tokens" or all(tokens_do(v.type, self.out) for v in (a, b))
        ]
        preferred: Layout = "tokens" if self.form.tokens_first else "map"
        had: list[Layout] = [layout for layout in able if any(layout in x.forms for x in moving)]

        def cost(layout: Layout) -> tuple[int, bool]:
            return sum(layout not in x.forms for x in moving), layout != preferred

        candidates: list[Layout] = had or able
        return min(candidates, key=cost)

    def _converted(self, x: OnnxValue, source: Layout, layout: Layout) -> str:
        """`x` in another layout: one transpose, and a reshape where tokens become a grid or the other way."""
        tensor, sizes, name = x.forms[source], x.type.sizes, f"{x.path}/{layout}"
        if source == "tokens":
            flat = (sizes[1], sizes[2], sizes[0])
            made = self._node(self._free(f"{name}.grid"), "Reshape", (tensor, self._shape(flat)), {})
            tensor = made.output[0]
        perm = step(source, layout)
        if perm != (0, 1, 2, 3):
            kind = f"{name}.grid" if layout == "tokens" else name
            tensor = self._node(self._free(kind), "Transpose", (tensor,), {"perm": perm}).output[0]
        if layout == "tokens":
            shape = self._shape((sizes[1] * sizes[2], sizes[0]))
            tensor = self._node(self._free(name), "Reshape", (tensor, shape), {}).output[0]
        return tensor

    def _shape(self, sizes: Sequence[int]) -> str:
        return self.sizes(self.form.batch or 0, *sizes)  # 0: as the input has it

    def _node(self, name: str, kind: str, inputs: Sequence[str], attributes: Mapping[str, Any]) -> NodeProto:
        made = helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        self.nodes.append(made)
        self._names.add(name)
        return made

    def _constant(self, name: str, values: Any) -> str:
        if name not in self.constants:
            array = np.ascontiguousarray(values) if np.ndim(values) else np.asarray(values)
            kept = array if array.dtype == np.int64 else array.astype(np.float32)
            self.constants[name] = numpy_helper.from_array(kept, name)  # pyright: ignore[reportUnknownMemberType]
        return name

    def _rename(self, made: NodeProto, tensor: str) -> None:
        """The node's result is called by its path; what of the same operator reads it follows."""
        self._names.add(self.path)
        made.name, made.output[0] = self.path, self.path
        for other in self._own:
            for i, name in enumerate(other.input):
                if name == tensor:
                    other.input[i] = self.path

    def _everywhere(self, old: str, new: str) -> None:
        """Another name for a tensor, where it is made and wherever it is read."""
        for node in self.nodes:
            for i, name in enumerate(node.input):
                if name == old:
                    node.input[i] = new
            for i, name in enumerate(node.output):
                if name == old:
                    node.output[i] = new
        self._names = self._names - {old} | {new}
        self._ends[old] = new

    def _free(self, name: str) -> str:
        """The name, with a number where it is taken."""
        taken, count, found = self._names | self.constants.keys(), 2, name
        while found in taken:
            found, count = f"{name}.{count}", count + 1
        return found
