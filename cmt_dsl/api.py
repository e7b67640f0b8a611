"""The package's front door; backends are imported inside the functions that need them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_dsl.cost import Cost, cost
from cmt_dsl.expand import expand
from cmt_dsl.ir import Array, Graph
from cmt_dsl.spec import Model, load, load_text

if TYPE_CHECKING:
    from mindspore import nn

__all__ = ["Cost", "Graph", "Model", "build", "cost", "load", "load_text", "run", "source", "to_cell"]


def build(model: Model) -> Graph:
    """The graph of a model; raises `SpecError` with every problem found."""
    return expand(model)


def run(graph: Graph, weights: Mapping[str, Array], images: Array) -> Array:
    """Logits `[n, classes]` of images `[n, c, h, w]` by the NumPy reference."""
    from cmt_dsl.lower.numpy import run as execute

    return execute(graph, weights, images)


def source(graph: Graph) -> str:
    """The MindSpore source of a graph: a module that stands alone, with a class `Model`."""
    from cmt_dsl.lower.mindspore.source import source as write

    return write(graph)


def to_cell(
    graph: Graph,
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
    file: Path | None = None,
) -> nn.Cell:
    """The graph as a MindSpore Cell: images `[n, c, h, w]` to logits `[n, classes]`.

    It starts from `weights` (all of them, by path) or from `seed`; its source is written to `file`.
    """
    from cmt_dsl.lower.mindspore.load import to_cell as compile_cell

    cell: Any = compile_cell(graph, seed=seed, weights=weights, file=file)
    return cell
