"""Linear layers that read the same value as one product."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cmt_dsl.ir import Graph, Node
from cmt_dsl.ops.linear import Linear
from cmt_dsl.ops.slice_channels import SliceChannels
from cmt_dsl.passes.base import Match, Pass, Refusal, Site
from cmt_dsl.passes.channels import bias_of


class MergeProducts(Pass):
    """[W1 x; W2 x; …] = [W1; W2; …] x: keys and values, queries too where they read the same, then their channels.

    Only layers that stand in the same block.
    """

    name = "merge-products"

    def matches(self, graph: Graph) -> Iterator[Match]:
        """Groups of linear layers by what they read and where they stand."""
        groups: dict[tuple[str, str], list[str]] = {}
        for node in graph.nodes:
            if isinstance(node.op, Linear):
                groups.setdefault((node.inputs[0], _scope(node.path)), []).append(node.path)
        yield from (Match(tuple(paths)) for paths in groups.values() if len(paths) > 1)

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """One layer in front of the first, and each of them its channels."""
        nodes = [site.node(path) for path in match.nodes]
        if any(node.path in site.surgery.outputs.values() for node in nodes):
            return Refusal("its value leaves the model")
        merged = _name(site, nodes)
        weights = [site.weight(node, "weight") for node in nodes]
        biases = [bias_of(site, node) for node in nodes]
        has_bias = any(isinstance(node.op, Linear) and node.op.bias for node in nodes)
        total = sum(len(weight) for weight in weights)
        first = nodes[0].op
        assert isinstance(first, Linear)
        site.surgery.put(merged, Linear(total, has_bias, first.init), nodes[0].inputs)
        site.weights[f"{merged}.weight"] = np.concatenate(weights)
        if has_bias:
            site.weights[f"{merged}.bias"] = np.concatenate(biases).astype(weights[0].dtype)
        start = 0
        for node, weight in zip(nodes, weights, strict=True):
            site.surgery.put(node.path, SliceChannels(start, start + len(weight)), (merged,))
            start += len(weight)
        return f"with {', '.join(node.path for node in nodes[1:])} as {merged}"


def _scope(path: str) -> str:
    return path.rpartition(".")[0]


def _name(site: Site, nodes: list[Node]) -> str:
    """A free path beside them: `k_v`."""
    scope = _scope(nodes[0].path)
    base = "_".join(node.path.rpartition(".")[2] for node in nodes)
    if not base.isidentifier():
        base = "merged"
    name, count = base, 2
    taken = {*site.surgery.nodes, *site.surgery.scopes}
    while (f"{scope}.{name}" if scope else name) in taken:
        name, count = f"{base}_{count}", count + 1
    return f"{scope}.{name}" if scope else name
