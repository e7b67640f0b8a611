"""The bias of a layer into the layers that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.matmul import Matmul
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.split_heads import SplitHeads
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import BORDER, bias_of, is_layer, others_than_layers, padded, take_in


class MoveBias(Pass):
    """W (x + b) = W x + W b, so that one constant goes and none comes: of the reduction of keys and values, into both.

    Only into layers that have a bias, or whose bias attention will drop or pass on.
    """

    name = "move-bias"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Layers with a bias that only layers read."""
        readers: dict[str, list[Node]] = {node.path: [] for node in graph.nodes}
        for node in graph.nodes:
            for path in node.inputs:
                readers[path].append(node)
        for node in graph.nodes:
            biased = isinstance(node.op, (Conv2d, Linear)) and node.op.bias
            if biased and readers[node.path] and all(map(is_layer, readers[node.path])):
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Refused where a reader has padding, or would get a bias that it has not."""
        layer = site.node(match.nodes[0])
        assert isinstance(layer.op, (Conv2d, Linear))
        if not layer.op.bias:
            return Refusal("it has no bias any more")
        if reason := others_than_layers(site, layer.path):
            return Refusal(reason)
        readers = site.surgery.readers(layer.path)
        if border := padded(readers):
            return Refusal(f"{border.path} has padding: {BORDER}")
        for reader in readers:
            assert isinstance(reader.op, (Conv2d, Linear))
            if not reader.op.bias and not _in_attention(site, reader.path):
                return Refusal(f"{reader.path} would get a bias that it has not")
        shift = bias_of(site, layer)
        for reader in readers:
            take_in(site, reader, None, shift)
        site.surgery.put(layer.path, replace(layer.op, bias=False), layer.inputs)
        return f"into {', '.join(reader.path for reader in readers)}"


def _in_attention(site: Site, path: str) -> bool:
    """Whether a value goes into products of attention alone, where a constant of each channel vanishes or passes."""
    readers = site.surgery.readers(path)
    if path in site.surgery.outputs.values() or not readers:
        return False
    return all(
        isinstance(reader.op, Matmul)
        or (isinstance(reader.op, (SplitHeads, Scale)) and _in_attention(site, reader.path))
        for reader in readers
    )
