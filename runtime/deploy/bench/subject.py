"""What is measured: a model with a checkpoint's weights, or of a spec with initial ones, as it is or optimised."""

from __future__ import annotations

from pathlib import Path

from cmt_dsl import Graph, Model, build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.passes import DEPLOY, run
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.kind import is_weights
from runtime.checkpoint.load import load_weights

Size = tuple[int, int]
"""Rows and columns of the input, in pixels."""


def model_of(name: str, size: Size | None) -> tuple[Model, Graph]:
    """The model and its graph; of a file of weights all of it is checked. CMT-863 where its weights need another size."""
    if not is_weights(name):
        model = load(name, set={"input.size": list(size)} if size else None)
        return model, build(model)
    found = load_weights(Path(name))
    _require_size(name, found.graph, size)
    return found.model, found.graph


def program_of(name: str, size: Size | None) -> Program:
    """The same with weights: the file's, or initial ones, which compute as fast."""
    if is_weights(name):
        found = load_weights(Path(name))
        _require_size(name, found.graph, size)
        return found.program
    _, graph = model_of(name, size)
    return Program.of(graph, initial(graph, 0))


def _require_size(name: str, graph: Graph, size: Size | None) -> None:
    _, *own = graph.input.type.sizes
    if size is not None and tuple(own) != size:
        raise CmtError(
            "CMT-863",
            f"{name} holds weights for {own[0]}x{own[1]} pixels, not for {size[0]}x{size[1]}",
            hint="leave --size out, name the model's spec instead, or resample with `cmt adapt`",
        )


def optimised(program: Program, backend: str) -> Program:
    """The form in which it would be deployed in this backend."""
    changed, _ = run(program, DEPLOY)
    return changed
