"""What a graph costs: parameters, multiply-accumulates and activation bytes, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import prod

from cmt_dsl.ir import Graph, Node, below


@dataclass(frozen=True)
class Tally:
    """Sums over some nodes, for one image."""

    trainable: int = 0
    statistics: int = 0
    macs: int = 0
    activations: int = 0
    """Bytes of all outputs in float32: what a training step keeps at most, for one image."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.trainable + other.trainable,
            self.statistics + other.statistics,
            self.macs + other.macs,
            self.activations + other.activations,
        )

    def json(self) -> dict[str, object]:
        """Plain data for `--json`."""
        return {
            "params": {"trainable": self.trainable, "statistics": self.statistics},
            "macs": self.macs,
            "activation_bytes": self.activations,
        }


@dataclass(frozen=True)
class Cost:
    """The whole model's tally, and each node's."""

    total: Tally
    nodes: dict[str, Tally] = field(repr=False)

    def below(self, path: str) -> Tally:
        """The tally of everything at `path` or below it."""
        return _sum(t for p, t in self.nodes.items() if below(p, path))

    def grouped(self, key: Callable[[str], str]) -> dict[str, Tally]:
        """Tallies summed by `key(path)`, in the order of the nodes."""
        sums: dict[str, Tally] = {}
        for path, tally in self.nodes.items():
            name = key(path)
            sums[name] = sums.get(name, Tally()) + tally
        return sums


def cost(graph: Graph) -> Cost:
    """Cost of a graph. MACs count convolutions and matrix products, as the CMT paper's "FLOPs" do."""
    nodes = {node.path: _tally(graph, node) for node in graph.nodes}
    return Cost(_sum(nodes.values()), nodes)


def _tally(graph: Graph, node: Node) -> Tally:
    trainable = sum(prod(p.shape) for p in node.params if p.trainable)
    statistics = sum(prod(p.shape) for p in node.params if not p.trainable)
    macs = node.op.macs(node.type, *graph.input_types(node))
    activations = 4 * node.type.elements if node.type.batched else 0
    return Tally(trainable, statistics, macs, activations)


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total = total + tally
    return total
