"""Batch norm, and products and sums with a constant of each channel, into the layer before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cmt_dsl.ir import Graph
from cmt_dsl.ops.batch_norm import BatchNorm
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.mul import Mul
from cmt_dsl.passes.affine import affine, constant, values_of
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import bias_of


class FoldNorm(Pass):
    """γ (W x + b - μ) / √(σ² + ε) + β  =  (s W) x + (s (b - μ) + β)  with  s = γ / √(σ² + ε).

    In inference the running statistics μ and σ² are constants, so that the norm is a scale and a shift of each channel,
    as a layer scale and a sum with a parameter are. A norm takes in what follows it in the same way.
    """

    name = "fold-norm"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Every batch norm, with what it reads; products and sums with a constant where they read a layer or a norm."""
        for node in graph.nodes:
            if isinstance(node.op, BatchNorm):
                yield Match((node.path, node.inputs[0]))
            elif constant(graph.by_path, node) is not None:
                read = graph.by_path[values_of(graph.by_path, node)]
                if isinstance(read.op, (Conv2d, Linear, BatchNorm)):
                    yield Match((node.path, read.path))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Into the layer; refused where that has no weights, where others see its value, or a scale is no number."""
        norm = site.node(match.nodes[0])
        source = norm.inputs[0] if isinstance(norm.op, BatchNorm) else values_of(site.surgery.nodes, norm)
        layer = site.node(source)
        if not isinstance(layer.op, (Conv2d, Linear, BatchNorm)):
            return Refusal(f"it reads {layer.path}, a {layer.op.kind}, which has no weights to take it in")
        if not site.only_reader(layer.path, norm.path):
            return Refusal(f"{layer.path} is read by others too")
        found = affine(site, norm)
        if isinstance(found, Refusal):
            return found
        scale, shift = found
        weight = site.weight(layer, "weight")
        before = site.weight(layer, "bias") if isinstance(layer.op, BatchNorm) else bias_of(site, layer)
        site.weights[f"{layer.path}.weight"] = scale.reshape(-1, *[1] * (weight.ndim - 1)) * weight
        if isinstance(layer.op, BatchNorm) or layer.op.bias or not isinstance(norm.op, Mul):
            site.weights[f"{layer.path}.bias"] = scale * before + shift
            if not isinstance(layer.op, BatchNorm):
                site.surgery.put(layer.path, replace(layer.op, bias=True), layer.inputs)
        site.surgery.remove(norm.path, norm.inputs.index(layer.path))
        return f"into {layer.path}"
