"""What is measured: a model with a checkpoint's weights, or of a spec with arbitrary ones."""

from __future__ import annotations

from cmt_dsl import Model, load
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.passes import FORMS, run
from runtime.checkpoint.kind import is_weights
from runtime.deploy.optimise import read, with_arbitrary
from runtime.infer.backend import Backend

Size = tuple[int, int]
"""Rows and columns of the input, in pixels."""

FOLD_THEMSELVES = ("onnxruntime", "openvino")
"""Backends that fold what they are given, each for its own runtime."""


def subject(name: str, size: Size | None) -> tuple[Model, Program]:
    """The model and its program; CMT-863 where a file's weights are for another size."""
    if size is not None and not is_weights(name):
        resized = load(name, set={"input.size": list(size)})
        return resized, with_arbitrary(resized)
    model, program = read(name)
    own = (model.spec.input.height, model.spec.input.width)
    if size is not None and size != own:
        raise CmtError(
            "CMT-863",
            f"{name} holds weights for {own[0]}x{own[1]} pixels, not for {size[0]}x{size[1]}",
            hint="leave --size out, name the model's spec instead, or resample with `cmt adapt`",
        )
    return model, program


def as_deployed(program: Program, by: Backend, optimise: bool) -> Program:
    """What the backend is given so that it computes the optimised model, or the model as its spec says it."""
    by.folds = optimise
    return run(program, FORMS["plain"])[0] if optimise and by.name not in FOLD_THEMSELVES else program
