"""What the backends of exported forms compute: the part of a program that is asked for, folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program, cut
from cmt_dsl.passes import FORMS, run

if TYPE_CHECKING:
    from onnx import ModelProto

    from cmt_dsl.lower.onnx import Form


def folded(program: Program, outputs: Sequence[str], form: Form, *, fold: bool = True) -> ModelProto:
    """The ONNX model that gives the nodes `outputs`, in order, folded (if `fold`) for the runtime that the form is for.

    Where several of them lie inside one block, which no graph may give, the program as it is.
    """
    from cmt_dsl.lower.onnx import to_onnx

    if tuple(outputs) != tuple(path for _, path in program.graph.outputs):
        try:
            part = cut(program.graph, {path: path for path in outputs})
        except CmtError as error:
            if error.code != "CMT-302":
                raise
            return to_onnx(program, form, outputs=outputs)
        program = program.changed(part, program.weights)
    return to_onnx(run(program, FORMS[form.flavour] if fold else ())[0], form)
