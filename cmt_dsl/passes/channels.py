"""What several passes ask about channels: which layers can take a scale or a shift of what they read, and giving it to them.

A layer is a convolution or a linear map. Everything is computed in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from cmt_dsl.ir import Array, Node
from cmt_dsl.ops.attributes import pair
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.passes.base import Site

BORDER = "the border sees zeros, not the shift"
"""Why a constant of each channel does not pass a convolution with padding."""


def is_layer(node: Node) -> bool:
    """Whether the node is a convolution or a linear map."""
    return isinstance(node.op, (Conv2d, Linear))


def has_padding(node: Node) -> bool:
    """Whether a layer reads zeros around its map."""
    return isinstance(node.op, Conv2d) and pair(node.op.padding) != (0, 0)


def bias_of(site: Site, layer: Node) -> Array:
    """The layer's bias in float64, zeros where it has none."""
    assert isinstance(layer.op, (Conv2d, Linear))
    if layer.op.bias:
        return site.weight(layer, "bias").astype(np.float64)
    return np.zeros(layer.op.out)


def write(site: Site, layer: Node, weight: Array, bias: Array | None) -> None:
    """Give a layer another weight and bias, None for none; it reads what it read."""
    assert isinstance(layer.op, (Conv2d, Linear))
    kind = site.weight(layer, "weight").dtype
    site.weights[f"{layer.path}.weight"] = weight.astype(kind)
    if bias is not None:
        site.weights[f"{layer.path}.bias"] = bias.astype(kind)
    if layer.op.bias != (bias is not None):
        site.surgery.put(layer.path, replace(layer.op, bias=bias is not None), layer.inputs)


def others_than_layers(site: Site, path: str) -> str | None:
    """Why the value cannot give something to all who read it; None where each is a layer that reads it alone."""
    if path in site.surgery.outputs.values():
        return "its value leaves the model"
    for reader in site.surgery.readers(path):
        if not is_layer(reader):
            return f"{reader.path}, a {reader.op.kind}, reads it, which has no weights to take it in"
    return None


def take_in(site: Site, layer: Node, scale: Array | None, shift: Array | None) -> None:
    """W (s x + t) + b  =  (W s) x + (b + W t): a layer that reads x instead. A shift must meet no padding."""
    weight = site.weight(layer, "weight").astype(np.float64)
    bias = bias_of(site, layer)
    if shift is not None and np.any(shift):
        assert not has_padding(layer)
        bias = bias + _spread(layer, shift, weight).sum(tuple(range(1, weight.ndim)))
    if scale is not None:
        weight = _spread(layer, scale, weight)
    assert isinstance(layer.op, (Conv2d, Linear))
    write(site, layer, weight, bias if layer.op.bias or np.any(bias) else None)


def _spread(layer: Node, values: Array, weight: Array) -> Array:
    """The weight times one value for each channel that it reads, whatever the groups."""
    if isinstance(layer.op, Conv2d):
        out, width = weight.shape[:2]
        groups = np.arange(out) // (out // layer.op.groups)
        read = groups[:, None] * width + np.arange(width)[None, :]
        return weight * values[read][:, :, None, None]
    return weight * values[None, :]


def layers(site: Site, path: str) -> list[Node]:
    """Those that read a value."""
    return [reader for reader in site.surgery.readers(path) if is_layer(reader)]


def padded(readers: Iterable[Node]) -> Node | None:
    """The first of them with padding."""
    return next((reader for reader in readers if has_padding(reader)), None)
