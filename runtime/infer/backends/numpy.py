"""The NumPy reference: slow, exact, and any node may be asked for."""

from __future__ import annotations

from collections.abc import Sequence

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.lower.numpy import run_all
from runtime.array import Array
from runtime.infer.backend import Backend, Compute, Precision, register


@register
class NumPy(Backend):
    """Computes by the operators' own definition, in float32."""

    name = "numpy"

    def load(
        self,
        program: Program,
        outputs: Sequence[str],
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        batch: int | None = None,
        batches: int = 1,
    ) -> Compute:
        if precision != "float32":
            hint = f"leave --precision out, or --backend mindspore --precision {precision}"
            raise CmtError(
                "CMT-804", f"the NumPy reference computes in float32, not in {precision}", hint=hint
            )

        def compute(images: Array) -> list[Array]:
            values = run_all(program.graph, program.weights, images, list(outputs))
            return [values[path] for path in outputs]

        return compute
