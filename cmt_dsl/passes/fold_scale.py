"""A product with a number into a weight."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.avg_pool import AvgPool
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.global_avg_pool import GlobalAvgPool
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.matmul import Matmul
from cmt_dsl.ops.mean import Mean
from cmt_dsl.ops.merge_heads import MergeHeads
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.slice_channels import SliceChannels
from cmt_dsl.ops.slice_grid import SliceGrid
from cmt_dsl.ops.split_heads import SplitHeads
from cmt_dsl.ops.sum import Sum
from cmt_dsl.ops.to_map import ToMap
from cmt_dsl.ops.transpose import Transpose
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import bias_of, is_layer, others_than_layers, write

LINEAR = (
    AvgPool,
    GlobalAvgPool,
    Matmul,
    Mean,
    MergeHeads,
    Scale,
    SliceChannels,
    SliceGrid,
    SplitHeads,
    Sum,
    ToMap,
    Transpose,
)
"""What a number passes: f(a x) = a f(x), in each of its inputs."""


class FoldScale(Pass):
    """a (W x + b) = (a W) x + a b, also through reshapes, means and products: 1 / √d of attention into the smallest weight.

    Either into one layer before it whose value nobody else sees, or into all layers that read it.
    """

    name = "fold-scale"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Products with a number."""
        for node in graph.nodes:
            if isinstance(node.op, Scale):
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Into the fewest weights that can take it."""
        node = site.node(match.nodes[0])
        assert isinstance(node.op, Scale)
        choices = [[layer] for layer in _before(site, node.inputs[0], node.path)]
        reason = others_than_layers(site, node.path)
        if reason is None:
            choices.append(site.surgery.readers(node.path))
        if not choices:
            return Refusal(f"no layer before it has weights of its own for it, and after it {reason}")
        chosen = min(choices, key=lambda group: sum(site.weight(layer, "weight").size for layer in group))
        after = reason is None and chosen is choices[-1]
        for layer in chosen:
            assert isinstance(layer.op, (Conv2d, Linear))
            weight = site.weight(layer, "weight").astype(np.float64) * node.op.by
            bias = bias_of(site, layer) if layer.op.bias else None
            write(site, layer, weight, bias if bias is None or after else bias * node.op.by)
        site.surgery.remove(node.path)
        return f"{node.op.by:.6g} into {', '.join(layer.path for layer in chosen)}"


def _before(site: Site, path: str, reader: str) -> Iterator[Node]:
    """Layers before a value that can take a number for it: nobody sees anything between but through `reader`."""
    waiting = [(path, reader)]
    while waiting:
        path, reader = waiting.pop()
        if not site.only_reader(path, reader):
            continue
        node = site.node(path)
        if is_layer(node):
            yield node
        elif isinstance(node.op, LINEAR) and len(set(node.inputs)) == len(node.inputs):
            waiting += [(read, path) for read in reversed(node.inputs)]
