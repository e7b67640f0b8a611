"""The pattern of attention: which product a softmax weighs, what it runs along, and what its operands come from."""

from __future__ import annotations

from cmt_dsl.ir import Node
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.scale import Scale
from cmt_dsl.ops.softmax import Softmax
from cmt_dsl.ops.split_heads import SplitHeads
from cmt_dsl.ops.transpose import Transpose
from cmt_dsl.passes.base import Site

ROWS, COLUMNS = 2, 3
"""Axes of [n, heads, rows, columns]."""


def along(node: Node) -> int | None:
    """The axis that a softmax of [n, heads, rows, columns] runs along, where it is rows or columns."""
    if not isinstance(node.op, Softmax) or len(node.type.shape) != 4:
        return None
    return {None: COLUMNS, "width": COLUMNS, "height": ROWS}.get(node.op.over)


def layer_of_heads(site: Site, path: str, reader: str, axis: int, *, scaled: bool) -> Node | None:
    """The layer whose channels `reader` sees as heads, tokens along `axis`; None where others see it too.

    With `scaled` also one whose value is multiplied with numbers on the way.
    """
    split = False
    while site.only_reader(path, reader):
        node = site.node(path)
        if split and isinstance(node.op, (Conv2d, Linear)):
            return node
        heads = isinstance(node.op, SplitHeads) and not split and axis == COLUMNS
        turned = isinstance(node.op, Transpose) and not split and node.op.axes == ("height", "width")
        if not heads and not turned and not (scaled and isinstance(node.op, Scale)):
            return None
        axis = ROWS + COLUMNS - axis if turned else axis
        split = split or heads
        path, reader = node.inputs[0], path
    return None
