from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, Op, Samples, TensorType


@dataclass(frozen=True)
class GlobalMaxPool(Op, kind="global_max_pool"):
    """Maximum over the grid, `[n, c, h, w] -> [n, c]`."""

    family = "shape"

    def infer(self, *x: TensorType) -> TensorType:
        return TensorType((None, x[0].map()[0]))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].max((2, 3))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.ReduceMax()({x[0]}, (2, 3))"

    @staticmethod
    def samples() -> Samples:
        return ((GlobalMaxPool(), ((None, 3, 4, 5),)),)
