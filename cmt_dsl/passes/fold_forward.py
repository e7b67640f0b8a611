"""A scale and a shift of each channel into the layers that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cmt_dsl.ir import Array, Graph, Node
from cmt_dsl.ops.batch_norm import BatchNorm
from cmt_dsl.ops.layer_norm import LayerNorm
from cmt_dsl.passes.affine import affine, constant
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import BORDER, others_than_layers, padded, take_in

FLATTEST = 1e-4
"""Of the largest scale: below it, what is left of the norm would add shifts beside which the value vanishes."""

ROUNDING = 1e-6
"""How far from 1 a scale may be that was made 1, in the weights' own type."""


class FoldForward(Pass):
    """W (s x + t) + b = (W s) x + (b + W t), for all layers that read s x + t: a batch norm behind an activation, the affine
    part of a layer norm, a product, a sum or a difference with a parameter of one value a channel.

    Where a reader has padding the shift cannot pass. Of a batch norm the scale then goes alone: W (s x + t) =
    (W s) (x + t / s), and a norm of scale 1 stays.
    """

    name = "fold-forward"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Norms, and products and sums with a constant of each channel."""
        for node in graph.nodes:
            if (
                isinstance(node.op, BatchNorm)
                or (isinstance(node.op, LayerNorm) and node.op.affine)
                or constant(graph.by_path, node) is not None
            ):
                yield Match((node.path,))

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Into every reader; refused where one of them is no layer, or a shift would meet a border."""
        node = site.node(match.nodes[0])
        found = affine(site, node)
        if isinstance(found, Refusal):
            return found
        scale, shift = found
        if reason := others_than_layers(site, node.path):
            return Refusal(reason)
        readers = site.surgery.readers(node.path)
        border = padded(readers) if np.any(shift) else None
        if border is not None:
            return self._scale_alone(site, node, scale, shift, border)
        for reader in readers:
            take_in(site, reader, scale, shift)
        _plain(site, node)
        return f"into {', '.join(reader.path for reader in readers)}"

    def _scale_alone(self, site: Site, node: Node, scale: Array, shift: Array, border: Node) -> str | Refusal:
        why = f"{border.path} has padding: {BORDER}"
        if not isinstance(node.op, BatchNorm):
            return Refusal(why)
        if np.abs(scale).min() < FLATTEST * np.abs(scale).max():
            return Refusal(f"{why}; and a scale next to 0 keeps it whole")
        if np.allclose(scale, 1, rtol=0, atol=ROUNDING):
            return Refusal(f"{why}; its scale is 1 already")
        readers = site.surgery.readers(node.path)
        for reader in readers:
            take_in(site, reader, scale, None)
        kind = site.weight(node, "weight").dtype
        values = {"weight": 1.0, "running_mean": 0.0, "running_var": 1.0 - node.op.eps}
        for name, value in values.items():
            site.weights[f"{node.path}.{name}"] = np.full(scale.shape, value, kind)
        site.weights[f"{node.path}.bias"] = (shift / scale).astype(kind)
        into = ", ".join(reader.path for reader in readers)
        return f"its scale into {into}; a shift stays, {why}"


def _plain(site: Site, node: Node) -> None:
    """The node without its scale and shift: a layer norm stays as one that has none, anything else goes."""
    if isinstance(node.op, LayerNorm):
        site.surgery.put(node.path, replace(node.op, affine=False), node.inputs)
    elif isinstance(node.op, BatchNorm):
        site.surgery.remove(node.path)
    else:
        batched = [site.node(path).type.batched for path in node.inputs]
        site.surgery.remove(node.path, batched.index(True))
