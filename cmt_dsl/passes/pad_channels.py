"""Channels of zeros, so that a backend's kernels meet the numbers of channels that they are made for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from cmt_dsl.ir import Array, Graph, Node
from cmt_dsl.ops.add import Add
from cmt_dsl.ops.avg_pool import AvgPool
from cmt_dsl.ops.batch_norm import BatchNorm
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.gelu import Gelu
from cmt_dsl.ops.hard_swish import HardSwish
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.max_pool import MaxPool
from cmt_dsl.ops.mul import Mul
from cmt_dsl.ops.relu import Relu
from cmt_dsl.ops.relu6 import Relu6
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.silu import Silu
from cmt_dsl.ops.sub import Sub
from cmt_dsl.ops.tanh import Tanh
from cmt_dsl.passes.base import Match, Pass, Refusal, Site

KEEP_ZERO = (AvgPool, Gelu, HardSwish, MaxPool, Relu, Relu6, Scale, Silu, Tanh)
"""Operators of each channel alone that make zeros of zeros."""
NEUTRAL = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
"""Of a batch norm that keeps zeros."""

MOST = 1.5
"""Times as many channels, and no more: a product of zeros takes as long as any other."""


@dataclass
class Region:
    """What has the channels of one value: the layers that make them, what each channel passes alone, who reads them."""

    channels: int
    makers: dict[str, Node] = field(default_factory=dict[str, Node])
    inside: dict[str, Node] = field(default_factory=dict[str, Node])
    readers: dict[str, Node] = field(default_factory=dict[str, Node])


class PadChannels(Pass):
    """W2 f(W1 x) = [W2 0] f([W1; 0] x) for an f of each channel alone with f(0) = 0: GELU(0) = 0.

    Between a layer that makes a number of channels and the layers that read them; what splits, norms, gates or gives away
    these channels keeps their number.
    """

    name = "pad-channels"

    def __init__(self, multiple: int) -> None:
        self.multiple = multiple

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Layers whose number of channels is no multiple, of depthwise ones the layer before them."""
        for node in graph.nodes:
            channels = node.type.shape[1] if len(node.type.shape) == 4 else None
            if channels is not None and channels % self.multiple and _makes(node):
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Zeros to all that has these channels, or to nothing of it."""
        maker = site.node(match.nodes[0])
        assert isinstance(maker.op, (Conv2d, Linear))
        if maker.op.out % self.multiple == 0:
            return f"{maker.op.out} channels by then"
        found = _region(site, maker)
        if isinstance(found, Refusal):
            return found
        wanted = -(-found.channels // self.multiple) * self.multiple
        if wanted > MOST * found.channels:
            return Refusal(f"{wanted} channels instead of {found.channels} would cost more than they bring")
        for node in found.makers.values():
            _widen(site, node, wanted)
        for node in found.inside.values():
            _inside(site, node, wanted)
        for node in found.readers.values():
            weight = site.weight(node, "weight")
            site.weights[f"{node.path}.weight"] = _zeros(weight, 1, wanted)
        return f"{found.channels} channels became {wanted}, up to {', '.join(found.readers)}"


def _makes(node: Node) -> bool:
    """Whether a layer makes new channels of all it reads."""
    return isinstance(node.op, Linear) or (isinstance(node.op, Conv2d) and node.op.groups == 1)


def _region(site: Site, maker: Node) -> Region | Refusal:
    assert isinstance(maker.op, (Conv2d, Linear))
    found, waiting = Region(maker.op.out), [maker]
    while waiting:
        node = waiting.pop()
        if node.path in found.makers or node.path in found.inside:
            continue
        if node.path in site.surgery.outputs.values():
            return Refusal(f"{node.path} leaves the model with its channels")
        if _makes(node) and node.type.sizes[0] == found.channels:
            found.makers[node.path] = node
        elif (reason := _passes(site, node, found.channels)) is None:
            found.inside[node.path] = node
            waiting += [site.node(path) for path in node.inputs]
        else:
            return Refusal(f"{node.path}, a {node.op.kind}, {reason}")
        for reader in site.surgery.readers(node.path):
            if _makes(reader):
                found.readers[reader.path] = reader
            else:
                waiting.append(reader)
    return found


def _passes(site: Site, node: Node, channels: int) -> str | None:
    """Why an operator cannot have more channels that are zero; None where it can."""
    op = node.op
    for each in (node, *map(site.node, node.inputs)):
        if len(each.type.shape) < 4 or each.type.shape[1] != channels:
            return "has others beside them"  # that are broadcast
    if isinstance(op, Conv2d):
        depthwise = op.groups == channels == op.out
        return None if depthwise else f"splits them into {op.groups} groups"
    if isinstance(op, (Add, Mul, Sub)):
        return None if node.type.batched else "is a constant"
    if isinstance(op, (*KEEP_ZERO, BatchNorm)):
        return None
    return "needs their number"


def _widen(site: Site, node: Node, wanted: int) -> None:
    """More output channels that are zero."""
    assert isinstance(node.op, (Conv2d, Linear))
    for name in ("weight", "bias")[: 1 + node.op.bias]:
        site.weights[f"{node.path}.{name}"] = _zeros(site.weight(node, name), 0, wanted)
    site.surgery.put(node.path, replace(node.op, out=wanted), node.inputs)


def _inside(site: Site, node: Node, wanted: int) -> None:
    if isinstance(node.op, Conv2d):
        for name in ("weight", "bias")[: 1 + node.op.bias]:
            site.weights[f"{node.path}.{name}"] = _zeros(site.weight(node, name), 0, wanted)
        site.surgery.put(node.path, replace(node.op, out=wanted, groups=wanted), node.inputs)
    elif isinstance(node.op, BatchNorm):
        for name, value in NEUTRAL.items():
            site.weights[f"{node.path}.{name}"] = _zeros(site.weight(node, name), 0, wanted, value)


def _zeros(array: Array, axis: int, wanted: int, value: float = 0.0) -> Array:
    widths = [(0, wanted - size if i == axis else 0) for i, size in enumerate(array.shape)]
    return np.pad(array, widths, constant_values=value)
