"""A graph with its weights, and where it comes from: what passes change and what is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cmt_dsl.ir.fit import require_fit
from cmt_dsl.ir.graph import Graph
from cmt_dsl.ir.op import Array
from cmt_dsl.ir.verify import verify


@dataclass(frozen=True, eq=False)
class Program:
    """A verified graph and an array for each of its parameters, by path.

    `source` is the fingerprint of the graph that the weights were trained in, whatever passes made of it.
    """

    graph: Graph
    weights: Mapping[str, Array]
    source: str

    @classmethod
    def of(cls, graph: Graph, weights: Mapping[str, Array]) -> Program:
        """A model as it was trained. CMT-402 where the weights are not exactly the graph's."""
        program = cls(graph, MappingProxyType(dict(weights)), graph.fingerprint)
        program.check()
        return program

    def changed(self, graph: Graph, weights: Mapping[str, Array]) -> Program:
        """Another graph with those of the `weights` that it needs. CMT-402 for one that is missing."""
        own = {info.path: weights[info.path] for info in graph.params if info.path in weights}
        return replace(self, graph=graph, weights=MappingProxyType(own))

    def check(self) -> None:
        """CMT-301 for a broken graph; CMT-402 for weights that are missing, left over or of another shape."""
        verify(self.graph)
        require_fit(self.graph, self.weights)
