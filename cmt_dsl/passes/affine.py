"""What is a scale and a shift of each channel in inference: s x + t."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cmt_dsl.ir import Array, Node
from cmt_dsl.ops.add import Add
from cmt_dsl.ops.batch_norm import BatchNorm
from cmt_dsl.ops.layer_norm import LayerNorm
from cmt_dsl.ops.mul import Mul
from cmt_dsl.ops.parameter import Parameter
from cmt_dsl.ops.sub import Sub
from cmt_dsl.passes.base import Refusal, Site


def affine(site: Site, node: Node) -> tuple[Array, Array] | Refusal:
    """s and t, a number a channel in float64: of a batch norm, of a layer norm's last step, of a product or a sum with a
    parameter. Refused where one is no finite number."""
    if isinstance(node.op, (BatchNorm, LayerNorm)):
        scale, shift = (site.weight(node, name).astype(np.float64) for name in ("weight", "bias"))
        if isinstance(node.op, BatchNorm):
            mean, variance = (
                site.weight(node, name).astype(np.float64) for name in ("running_mean", "running_var")
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                scale = scale / np.sqrt(variance + node.op.eps)
                shift = shift - scale * mean
    else:
        path = constant(site.surgery.nodes, node)
        if path is None:
            return Refusal("it was changed before")
        channels = node.type.sizes[0]
        value = np.broadcast_to(site.weights[path].astype(np.float64).reshape(-1), (channels,))
        plain = np.ones(channels), np.zeros(channels)
        first = node.inputs[0] == path
        if isinstance(node.op, Mul):
            scale, shift = value, plain[1]
        elif isinstance(node.op, Sub):
            scale, shift = (-plain[0], value) if first else (plain[0], -value)
        else:
            scale, shift = plain[0], value
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        return Refusal("its statistics are no finite numbers")
    return scale, shift


def constant(nodes: Mapping[str, Node], node: Node) -> str | None:
    """The parameter of one value, or one a channel, that a map or a vector is multiplied with, added to or taken from."""
    if not isinstance(node.op, (Add, Mul, Sub)):
        return None
    for path, other in (node.inputs, node.inputs[::-1]):
        given, value = nodes[path], nodes[other].type
        if not isinstance(given.op, Parameter) or not value.batched or len(value.shape) not in (2, 4):
            continue
        shape = (1,) * (len(value.shape) - len(given.op.shape)) + given.op.shape
        if len(shape) == len(value.shape) and shape in _shapes(value.sizes):
            return path
    return None


def _shapes(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    rest = (1,) * (len(sizes) - 1)
    return (1, sizes[0], *rest), (1, 1, *rest)


def values_of(nodes: Mapping[str, Node], node: Node) -> str:
    """The value that is scaled and shifted."""
    path = constant(nodes, node)
    return next(read for read in node.inputs if read != path)
