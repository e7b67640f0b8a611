"""Layers that read the same value as one product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cmt_dsl.ir import Graph, Node, above
from cmt_dsl.ops.conv2d import Conv2d
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.slice_channels import SliceChannels
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import bias_of

LONGEST = 40
"""Letters of a name made of others."""


class MergeProducts(Pass):
    """[W1 x; W2 x; …] = [W1; W2; …] x: keys and values, queries too where they read the same, then their channels.

    Linear layers and 1×1 convolutions, each among its own kind and in the same block.
    """

    name = "merge-products"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Groups of layers by what they read, how, and where they stand."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for scope, items in graph.children.items():
            for node in items:
                if isinstance(node, Node) and _is_product(node):
                    how = node.op.kind + str(getattr(node.op, "stride", 1))
                    groups.setdefault((node.inputs[0], scope, how), []).append(node.path)
        order = {node.path: i for i, node in enumerate(graph.nodes)}
        found = sorted((paths for paths in groups.values() if len(paths) > 1), key=lambda p: order[p[0]])
        yield from (Match(tuple(paths)) for paths in found)

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """One layer in front of the first, and each of them its channels."""
        nodes = [site.node(path) for path in match.nodes]
        if any(node.path in site.surgery.outputs.values() for node in nodes):
            return Refusal("its value leaves the model")
        if len({node.inputs for node in nodes}) > 1:
            return Refusal("they read different values by now")
        scope = next((path for path in above(nodes[0].path) if path in site.surgery.scopes), "")
        merged = _name(site, nodes, scope)
        weights = [site.weight(node, "weight") for node in nodes]
        biases = [bias_of(site, node) for node in nodes]
        has_bias = any(isinstance(node.op, (Conv2d, Linear)) and node.op.bias for node in nodes)
        total = sum(len(weight) for weight in weights)
        first = nodes[0].op
        assert isinstance(first, (Conv2d, Linear))
        site.surgery.put(merged, replace(first, out=total, bias=has_bias), nodes[0].inputs)
        site.weights[f"{merged}.weight"] = np.concatenate(weights)
        if has_bias:
            site.weights[f"{merged}.bias"] = np.concatenate(biases).astype(weights[0].dtype)
        start = 0
        for node, weight in zip(nodes, weights, strict=True):
            site.surgery.put(node.path, SliceChannels(start, start + len(weight)), (merged,))
            start += len(weight)
        return f"with {', '.join(node.path for node in nodes[1:])} as {merged}"


def _is_product(node: Node) -> bool:
    """Whether each place of the output is one product of a weight with one place of the input."""
    op = node.op
    if isinstance(op, Conv2d):
        return op.kernel == 1 and op.padding == 0 and op.groups == 1
    return isinstance(op, Linear)


def _name(site: Site, nodes: list[Node], scope: str) -> str:
    """A free path beside them: `k_v`."""
    base = "_".join(node.path.removeprefix(f"{scope}." if scope else "") for node in nodes)
    if not base.isidentifier() or len(base) > LONGEST:
        base = "merged"
    name, count = base, 2
    taken = {*site.surgery.nodes, *site.surgery.scopes}
    while (f"{scope}.{name}" if scope else name) in taken:
        name, count = f"{base}_{count}", count + 1
    return f"{scope}.{name}" if scope else name
