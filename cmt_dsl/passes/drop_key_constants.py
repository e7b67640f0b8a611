"""What softmax does not see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.add import Add
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.matmul import Matmul
from cmt_dsl.ops.offset import Offset
from cmt_dsl.ops.parameter import Parameter
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.sub import Sub
from cmt_dsl.passes.attention import COLUMNS, ROWS, along, layer_of_heads
from cmt_dsl.passes.base import Match, Pass, Refusal, Site


class DropKeyConstants(Pass):
    """softmax(s + c) = softmax(s) for a c that is the same for all keys: q · (W x + b) = q · W x + q · b, and q · b is.

    So the bias of the keys goes, and numbers and parameters that are added to the scores without telling keys apart.
    """

    name = "drop-key-constants"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Softmaxes over rows or columns of scores."""
        for node in graph.nodes:
            if along(node) is not None:
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Refused where no constant is found that softmax is blind to."""
        softmax = site.node(match.nodes[0])
        axis = along(softmax)
        assert axis is not None
        dropped = list(_dropped(site, softmax.inputs[0], softmax.path, axis))
        return (
            f"without {', '.join(dropped)}"
            if dropped
            else Refusal("nothing it is blind to is added before it")
        )


def _dropped(site: Site, path: str, reader: str, axis: int) -> Iterator[str]:
    """Drop what is the same along the axis in sums that only the softmax sees; what went, the first computed first."""
    reached, waiting = list[str](), [(path, reader)]
    while waiting:
        path, reader = waiting.pop()
        if site.only_reader(path, reader):
            reached.append(path)
            node = site.node(path)
            if isinstance(node.op, (Add, Offset, Scale, Sub)):
                waiting += [(part, path) for part in dict.fromkeys(node.inputs)]
    for path in reversed(reached):
        node = site.node(path)  # as it is without what was dropped before it
        if isinstance(node.op, Offset):
            site.surgery.remove(path)
            yield path
        elif isinstance(node.op, (Add, Sub)):
            yield from _of_sum(site, node, axis)
        elif isinstance(node.op, Matmul):
            yield from _of_keys(site, node, axis)


def _of_sum(site: Site, node: Node, axis: int) -> Iterator[str]:
    """A parameter that is the same along the axis, beside a value of the sum's own shape."""
    constants = [part for part in node.inputs if _same(site.node(part), axis)]
    others = [part for part in node.inputs if part not in constants]
    if not constants or not others or site.node(others[0]).type != node.type:
        return
    if isinstance(node.op, Add) or others[0] == node.inputs[0]:  # p - x is no x
        site.surgery.remove(node.path, node.inputs.index(others[0]))
        yield constants[0]


def _same(node: Node, axis: int) -> bool:
    """Whether a parameter is the same along an axis of the scores."""
    if not isinstance(node.op, Parameter):
        return False
    shape = (1, 1, 1, 1, *node.op.shape)[-4:]
    return shape[axis] == 1


def _of_keys(site: Site, product: Node, axis: int) -> Iterator[str]:
    """The bias of the layer that a product's keys come from: of its second operand where they are columns."""
    assert isinstance(product.op, Matmul)
    second = axis == COLUMNS
    transposed = product.op.transpose_b if second else product.op.transpose_a
    if product.inputs[0] == product.inputs[1]:  # queries that are keys have a bias that softmax sees
        return
    keys = product.inputs[int(second)]
    layer = layer_of_heads(
        site, keys, product.path, ROWS + COLUMNS - axis if transposed else axis, scaled=True
    )
    if layer is None or not isinstance(layer.op, (Conv2d, Linear)) or not layer.op.bias:
        return
    if not np.isfinite(site.weight(layer, "bias")).all():
        return
    site.surgery.put(layer.path, replace(layer.op, bias=False), layer.inputs)
    yield f"{layer.path}.bias"
