"""Batch norm into the convolution or linear layer before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cmt_dsl.ir import Array, Graph
from cmt_dsl.ops.batch_norm import BatchNorm
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.passes.base import Match, Pass, Refusal, Site


class FoldNorm(Pass):
    """γ (W x + b - μ) / √(σ² + ε) + β  =  (s W) x + (s (b - μ) + β)  with  s = γ / √(σ² + ε).

    In inference the running statistics μ and σ² are constants, so that the norm is a scale and a shift of each channel.
    Both are computed in float64 and rounded once.
    """

    name = "fold-norm"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Every batch norm, with what it reads."""
        for node in graph.nodes:
            if isinstance(node.op, BatchNorm):
                yield Match((node.path, node.inputs[0]))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Into the layer; refused where that has no weights, where others see its value, or a scale is no number."""
        norm = site.node(match.nodes[0])
        layer = site.node(norm.inputs[0])
        assert isinstance(norm.op, BatchNorm)
        if not isinstance(layer.op, (Conv2d, Linear)):
            return Refusal(f"it reads {layer.path}, a {layer.op.kind}, which has no weights to take it in")
        if not site.only_reader(layer.path, norm.path):
            return Refusal(f"{layer.path} is read by others too")
        gamma, beta, mean, variance = (
            site.weight(norm, name).astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + norm.op.eps)
        if not np.isfinite(scale).all():
            return Refusal("its statistics are no finite numbers")
        weight = site.weight(layer, "weight")
        bias = site.weight(layer, "bias").astype(np.float64) if layer.op.bias else np.zeros(len(weight))
        shift = scale * (bias - mean) + beta
        site.weights[f"{layer.path}.weight"] = _like(
            weight, scale.reshape(-1, *[1] * (weight.ndim - 1)) * weight
        )
        site.weights[f"{layer.path}.bias"] = _like(weight, shift)
        site.surgery.put(layer.path, replace(layer.op, bias=True), layer.inputs)
        site.surgery.remove(norm.path)
        return f"into {layer.path}"


def _like(array: Array, values: Array) -> Array:
    return values.astype(array.dtype)
