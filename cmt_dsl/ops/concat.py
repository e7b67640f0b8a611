from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, Op, TensorType


@dataclass(frozen=True)
class Concat(Op, kind="concat"):
    """Values side by side along the channels, `[n, a, …], [n, b, …] -> [n, a + b, …]`."""

    arity = (2, 64)

    def infer(self, *x: TensorType) -> TensorType:
        if not all(t.batched and len(t.shape) >= 2 for t in x):
            raise ShapeError("CMT-204", "needs values with a batch and channels")
        if len({t.shape[2:] for t in x}) > 1:
            raise ShapeError("CMT-203", "grids differ: " + ", ".join(map(str, x)))
        return TensorType((None, sum(t.sizes[0] for t in x), *x[0].shape[2:]))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.concatenate(x, axis=1)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.concat(({', '.join(x)}), 1)"

    @staticmethod
    def samples() -> tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]:
        return (
            (Concat(), ((None, 2, 4, 5), (None, 3, 4, 5))),
            (Concat(), ((None, 2), (None, 3), (None, 1))),
        )
