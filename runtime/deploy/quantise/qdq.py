"""An ONNX model with QuantizeLinear and DequantizeLinear where a runtime then computes in int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.array import Array
from runtime.deploy.quantise.nodes import Quantisable

Ranges = Mapping[str, tuple[float, float]]
"""Least and largest value of tensors."""
_TINY, _LARGEST_BIAS = 1e-12, 2.0**30


@dataclass(frozen=True)
class Placement:
    """Where a runtime wants them."""

    outputs: bool
    """Also behind convolutions: ONNX Runtime fuses these alone; OpenVINO computes more in one node without."""
    signed: bool = False
    """Activations as int8 around 0, not uint8 with a zero point."""
    weight_bits: int = 8

    def quantised_outputs(self, of: Quantisable) -> bool:
        return self.outputs and of.kind not in ("linear", "product", "classifier")


def tensors(chosen: Sequence[Quantisable], placement: Placement) -> tuple[str, ...]:
    """Whose ranges are needed."""
    found = [name for each in chosen for name in each.activations]
    found += [each.output for each in chosen if placement.quantised_outputs(each)]
    return tuple(dict.fromkeys(found))


def with_qdq(model: Any, chosen: Sequence[Quantisable], ranges: Ranges, placement: Placement) -> Any:
    """A copy whose `chosen` nodes read int8. Weights are per output channel and symmetric, activations per tensor."""
    return _Writer(model, ranges, placement).changed(chosen)


def weight_scales(values: Array, axis: int, bits: int) -> Array:
    """One number an output channel, float64."""
    others = tuple(a for a in range(values.ndim) if a != axis)
    return np.maximum(np.abs(values.astype(np.float64)).max(axis=others) / (2 ** (bits - 1) - 1), _TINY)


class _Writer:
    def __init__(self, model: Any, ranges: Ranges, placement: Placement) -> None:
        import onnx
        from onnx import helper, numpy_helper

        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.make, self.arrays = helper.make_node, numpy_helper
        self.ranges, self.placement = ranges, placement
        self.values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.constants: dict[str, Array] = {}
        self.dequantised: dict[str, str] = {}
        """By tensor, what reads of it in int8 read."""

    def changed(self, chosen: Sequence[Quantisable]) -> Any:
        graph, by_name = self.model.graph, {each.name: each for each in chosen}
        nodes: list[Any] = []
        behind = {each.output for each in chosen if self.placement.quantised_outputs(each)}
        rounded = {name: f"{name}/int8" for name in behind}
        for node in graph.node:
            node.input[:] = [rounded.get(name, name) for name in node.input]
            each = by_name.get(node.name)
            if each is not None:
                for at, name in enumerate(node.input[:2]):
                    if name not in self.values:
                        node.input[at] = self._activation(name, nodes)
                if each.weight is not None:
                    self._weight(node, each, nodes)
            nodes.append(node)
            if node.output[0] in behind:
                self._pair(node.output[0], rounded[node.output[0]], nodes)
        del graph.node[:]
        graph.node.extend(nodes)
        used = {name for node in graph.node for name in node.input}
        kept = [t for t in graph.initializer if t.name in used]
        kept += [self.arrays.from_array(v, k) for k, v in self.constants.items()]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        return self.model

    def _activation(self, name: str, nodes: list[Any]) -> str:
        if name.endswith("/int8") and name.removesuffix("/int8") in self.ranges:
            return name
        if name not in self.dequantised:
            self.dequantised[name] = f"{name}/int8"
            self._pair(name, f"{name}/int8", nodes)
        return self.dequantised[name]

    def _pair(self, name: str, out: str, nodes: list[Any]) -> None:
        scale, zero = self.step(name)
        self.constants |= {f"{name}/scale": np.asarray(scale, np.float32), f"{name}/zero": np.asarray(zero)}
        how = [f"{name}/scale", f"{name}/zero"]
        nodes.append(self.make("QuantizeLinear", [name, *how], [f"{name}/q"], f"{name}/quantise"))
        nodes.append(self.make("DequantizeLinear", [f"{name}/q", *how], [out], f"{name}/dequantise"))

    def step(self, name: str) -> tuple[float, Any]:
        """Scale and zero point of a tensor; 0 is a step of its own, since padding is 0."""
        low, high = (float(v) for v in self.ranges[name])
        low, high = min(low, 0.0), max(high, 0.0)
        if self.placement.signed:
            return max(-low, high, _TINY) / 127, np.int8(0)
        scale = max(high - low, _TINY) / 255
        return scale, np.uint8(round(-low / scale))

    def _weight(self, node: Any, each: Quantisable, nodes: list[Any]) -> None:
        assert each.weight is not None
        values, bits = self.values[each.weight], self.placement.weight_bits
        scales = weight_scales(values, each.axis, bits)
        bias = self.values.get(node.input[2]) if self._rounds_bias(node, each) else None
        around = self.step(each.activations[0])[0]
        if bias is not None:  # its steps are those of the products
            scales = np.maximum(scales, np.abs(bias.astype(np.float64)) / (around * _LARGEST_BIAS))
        scales = scales.astype(np.float32)
        shape = [-1 if a == each.axis else 1 for a in range(values.ndim)]
        most = 2 ** (bits - 1) - 1
        whole = np.clip(np.rint(values / scales.reshape(shape)), -most, most).astype(np.int8)
        node.input[1] = self._constant(
            each.weight, whole, scales, np.zeros(len(scales), np.int8), each.axis, nodes
        )
        if bias is not None:
            steps = (np.float32(around) * scales).astype(np.float32)
            counts = np.rint(bias.astype(np.float64) / steps).astype(np.int32)
            zero = np.zeros(len(steps), np.int32)
            node.input[2] = self._constant(node.input[2], counts, steps, zero, 0, nodes)

    def _rounds_bias(self, node: Any, each: Quantisable) -> bool:
        return len(node.input) > 2 and self.placement.quantised_outputs(each)

    def _constant(
        self, name: str, whole: Array, scales: Array, zero: Array, axis: int, nodes: list[Any]
    ) -> str:
        out = f"{name}/int8"
        if f"{name}/q" not in self.constants:
            self.constants |= {f"{name}/q": whole, f"{name}/scale": scales, f"{name}/zero": zero}
            inputs = [f"{name}/q", f"{name}/scale", f"{name}/zero"]
            nodes.append(self.make("DequantizeLinear", inputs, [out], f"{name}/dequantise", axis=axis))
        return out
