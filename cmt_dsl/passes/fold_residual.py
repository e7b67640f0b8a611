"""A residual around one convolution into its centre tap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.add import Add
from cmt_dsl.ops.attributes import pair
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.windows import span
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import bias_of, is_layer, write


class FoldResidual(Pass):
    """W x + b + x = (W + I) x + b, where I is 1 at the tap that reads the place itself: LPU and IRFFN of the CMT paper.

    For full, grouped and depthwise convolutions that keep the grid, and for linear layers.
    """

    name = "fold-residual"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Sums of a layer with what it reads."""
        for node in graph.nodes:
            if isinstance(node.op, Add) and (layer := _around(graph.by_path, node)):
                yield Match((node.path, layer.path))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Refused where the layer has no tap for it, or others see what it computes."""
        total = site.node(match.nodes[0])
        layer = _around(site.surgery.nodes, total)
        if layer is None:
            return Refusal("it was changed before")
        assert isinstance(layer.op, (Conv2d, Linear))
        if reason := _no_tap(layer):
            return Refusal(f"{layer.path} {reason}")
        if not site.only_reader(layer.path, total.path):
            return Refusal(f"{layer.path} is read by others too")
        weight = site.weight(layer, "weight").astype(np.float64)
        if isinstance(layer.op, Linear):
            weight = weight + np.eye(len(weight))
        else:
            out, width, height, breadth = weight.shape
            rows = np.arange(out)
            weight[rows, rows % width, height // 2, breadth // 2] += 1
        write(site, layer, weight, bias_of(site, layer) if layer.op.bias else None)
        site.surgery.remove(total.path, total.inputs.index(layer.path))
        return f"into the centre of {layer.path}"


def _around(nodes: dict[str, Node], node: Node) -> Node | None:
    """The layer that a sum adds its own input to."""
    if len(node.inputs) == 2:
        for path, other in (node.inputs, node.inputs[::-1]):
            # a layer of another number of channels is broadcast to them, or they to it
            same = nodes[path].type == nodes[other].type
            if is_layer(nodes[path]) and nodes[path].inputs[0] == other and same:
                return nodes[path]
    return None


def _no_tap(layer: Node) -> str | None:
    op = layer.op
    if not isinstance(op, Conv2d):
        return None
    kernel, stride, padding, dilation = (
        pair(side) for side in (op.kernel, op.stride, op.padding, op.dilation)
    )
    if stride != (1, 1):
        return f"has stride {op.stride}"
    for k, p, d in zip(kernel, padding, dilation, strict=True):
        if k % 2 == 0 or 2 * p != span(k, d) - 1:
            return "has no tap in the middle of its window"
    return None
