"""The package's front door; backends are imported inside the functions that need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_dsl.cost import Cost, cost
from cmt_dsl.effect import idle_overrides
from cmt_dsl.errors import CmtError, Problem, SpecError
from cmt_dsl.expand import expand
from cmt_dsl.ir import Array, Graph
from cmt_dsl.spec import Model, Reading, read, read_model_text, unread

if TYPE_CHECKING:
    from mindspore import nn

__all__ = [
    "Cost",
    "Graph",
    "Model",
    "build",
    "cost",
    "features",
    "load",
    "load_text",
    "pyramid",
    "run",
    "source",
    "to_cell",
    "unread",
]


def load(
    spec: str | Path,
    *,
    set: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    restated: list[Problem] | None = None,
) -> Model:
    """Read and check a model: a path, or the name of a shipped one.

    `set` maps dotted paths to values; `overrides` are `path=value` texts that a person typed, each of which has to
    change the model. Where `restated` is a list, those that say what stands already go there and are no errors.
    Raises `SpecError` with every problem found. Shapes are looked at by `build`, and here only beside other problems.
    """
    return _checked(read(spec, set=set, overrides=tuple(overrides)), restated)


def load_text(
    text: str,
    name: str = "<text>",
    *,
    set: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    restated: list[Problem] | None = None,
) -> Model:
    """`load` for a model given as text, such as a checkpoint's embedded spec."""
    return _checked(read_model_text(text, name, set=set, overrides=tuple(overrides)), restated)


def _checked(reading: Reading, restated: list[Problem] | None) -> Model:
    problems = list(reading.problems)
    if reading.model is not None and not problems:
        if restated is not None:
            restated += reading.restated
        problems = [] if restated is not None else list(reading.restated)
        problems += idle_overrides(reading) if reading.overrides else []
        if not problems:
            return reading.model
    elif reading.model is not None:
        try:
            expand(reading.model)
        except CmtError as error:
            problems += error.problems
    raise SpecError(problems)


def build(model: Model) -> Graph:
    """The graph of a model; raises `SpecError` with every problem found."""
    return expand(model)


def run(graph: Graph, weights: Mapping[str, Array], images: Array) -> Array:
    """Logits `[n, classes]` of images `[n, c, h, w]` by the NumPy reference."""
    from cmt_dsl.lower.numpy import run as execute

    return execute(graph, weights, images)


def features(
    graph: Graph, weights: Mapping[str, Array], images: Array, at: Sequence[str] = ()
) -> dict[str, Array]:
    """Values inside the model by the NumPy reference, `{path: [n, c, h, w]}`; any block or node may be named.

    Without `at`: the stages, for CMT at strides 4, 8, 16 and 32. For the same from MindSpore,
    trainable, see `to_cell(graph, outputs=pyramid(graph))`.
    """
    from cmt_dsl.lower.numpy import run_all

    nodes = {path: graph.output_of(path) for path in (at or pyramid(graph))}
    values = run_all(graph, weights, images, list(nodes.values()))
    return {path: values[node] for path, node in nodes.items()}


def pyramid(graph: Graph) -> tuple[str, ...]:
    """Paths of the stages, whose outputs are the feature pyramid: for CMT at strides 4, 8, 16 and 32."""
    return tuple(f"stages.{index}" for index in range(len(graph.stages)))


def source(graph: Graph, *, outputs: Sequence[str] = ()) -> str:
    """The MindSpore source of a graph: a module that stands alone, with a class `Model`."""
    from cmt_dsl.lower.mindspore.source import source as write

    return write(graph, outputs)


def to_cell(
    graph: Graph,
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
    file: Path | None = None,
    outputs: Sequence[str] = (),
) -> nn.Cell:
    """The graph as a MindSpore Cell: images `[n, c, h, w]` to logits `[n, classes]`.

    With `outputs`, such as `pyramid(graph)`, it gives a tuple of their values instead and ends there (CMT-404 for
    one inside a stage's blocks). It starts from `weights` (all of them, by path) or from `seed`; its source is written to `file`.
    """
    from cmt_dsl.lower.mindspore.load import to_cell as compile_cell

    cell: Any = compile_cell(graph, seed=seed, weights=weights, file=file, outputs=outputs)
    return cell
