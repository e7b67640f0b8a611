"""Whether arrays by path are exactly the parameters of a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cmt_dsl.errors import CmtError
from cmt_dsl.ir.graph import Graph
from cmt_dsl.ir.op import Array


@dataclass(frozen=True)
class Misfit:
    """One parameter that is not as the graph wants it."""

    kind: Literal["missing", "unexpected", "shape", "type"]
    path: str
    held: tuple[int, ...] | str | None
    """The shape that is there, or for "type" its name; None if it is missing."""
    wanted: tuple[int, ...] | None
    """The graph's shape; None where it has no such parameter."""

    def __str__(self) -> str:
        if self.kind in ("missing", "unexpected"):
            return f"{self.kind} {self.path}"
        if self.kind == "type":
            return f"{self.path} has type {self.held}, not float32"
        return f"{self.path} has shape {self.held}, not {self.wanted}"


def misfits(graph: Graph, weights: Mapping[str, Array]) -> Iterator[Misfit]:
    """Every parameter that is missing, unexpected, of another shape or no floating-point number; graph's order first."""
    wanted = {info.path: info.shape for info in graph.params}
    for path, shape in wanted.items():
        if path not in weights:
            yield Misfit("missing", path, None, shape)
            continue
        held = tuple(weights[path].shape)
        if held != shape:
            yield Misfit("shape", path, held, shape)
        elif weights[path].dtype.kind != "f":
            yield Misfit("type", path, str(weights[path].dtype), shape)
    for path in weights:
        if path not in wanted:
            yield Misfit("unexpected", path, tuple(weights[path].shape), None)


def require_fit(graph: Graph, weights: Mapping[str, Array]) -> None:
    """CMT-402 unless `weights` has exactly the graph's parameters, in their shapes, as real numbers."""
    wrong = [str(misfit) for misfit in misfits(graph, weights)]
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        hint = "the weights belong to another model, or to another version of it"
        raise CmtError("CMT-402", "weights do not fit: " + "; ".join(wrong[:5]) + more, hint=hint)
