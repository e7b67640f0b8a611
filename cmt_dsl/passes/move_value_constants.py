"""The bias of values, which attention passes on unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.matmul import Matmul
from cmt_dsl.ops.merge_heads import MergeHeads
from cmt_dsl.ops.transpose import Transpose
from cmt_dsl.passes.attention import COLUMNS, along, layer_of_heads
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import BORDER, bias_of, others_than_layers, padded, take_in


class MoveValueConstants(Pass):
    """Σ_t p_t (v_t + b) = Σ_t p_t v_t + b, since p sums to 1: b goes into the bias of the projection, W b.

    Where softmax runs along what the product sums over, and layers without padding read the merged heads.
    """

    name = "move-value-constants"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Products of a softmax with values."""
        for node in graph.nodes:
            if isinstance(node.op, Matmul) and any(
                along(graph.by_path[path]) is not None for path in node.inputs
            ):
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Refused where weights do not sum to 1 in this product, or what reads it is no layer."""
        product = site.node(match.nodes[0])
        found = _operands(site, product)
        if isinstance(found, Refusal):
            return found
        layer, values_first = found
        merged = _merged(site, product, values_first)
        if isinstance(merged, Refusal):
            return merged
        if reason := others_than_layers(site, merged):
            return Refusal(reason)
        readers = site.surgery.readers(merged)
        if border := padded(readers):
            return Refusal(f"{border.path} has padding: {BORDER}")
        shift = bias_of(site, layer)
        for reader in readers:
            take_in(site, reader, None, shift)
        assert isinstance(layer.op, (Conv2d, Linear))
        site.surgery.put(layer.path, replace(layer.op, bias=False), layer.inputs)
        return f"{layer.path}.bias into {', '.join(reader.path for reader in readers)}"


def _operands(site: Site, product: Node) -> tuple[Node, bool] | Refusal:
    """The layer of the values, with a bias, and whether they stand first."""
    assert isinstance(product.op, Matmul)
    axes = [along(site.node(path)) for path in product.inputs]
    weights = next((i for i, axis in enumerate(axes) if axis is not None), None)
    if weights is None or product.inputs[0] == product.inputs[1]:
        return Refusal("it was changed before")
    transposed = (product.op.transpose_a, product.op.transpose_b)
    # the axis of an operand that the product sums over: of the first its columns, of the second its rows
    summed = [COLUMNS - int(turned == bool(i == 0)) for i, turned in enumerate(transposed)]
    if axes[weights] != summed[weights]:
        return Refusal("the weights do not sum to 1 along what it sums over")
    values = 1 - weights
    layer = layer_of_heads(site, product.inputs[values], product.path, summed[values], scaled=False)
    if layer is None:
        return Refusal(f"the values come from {product.inputs[values]}, which is no layer's own tokens")
    assert isinstance(layer.op, (Conv2d, Linear))
    if not layer.op.bias:
        return Refusal(f"{layer.path} has no bias")
    return layer, values == 0


def _merged(site: Site, product: Node, values_first: bool) -> str | Refusal:
    """The map that the heads become: of [n, heads, d, tokens], which the product or its transpose is."""
    path, turned = product.path, not values_first
    while True:
        readers = site.surgery.readers(path)
        if len(readers) != 1 or not site.only_reader(path, readers[0].path):
            return Refusal(f"{path} is read by others too")
        (reader,) = readers
        if isinstance(reader.op, Transpose) and reader.op.axes == ("height", "width"):
            path, turned = reader.path, not turned
        elif isinstance(reader.op, MergeHeads) and not turned:
            return reader.path
        else:
            return Refusal(
                f"{reader.path}, a {reader.op.kind}, does not take heads together as they were split"
            )
