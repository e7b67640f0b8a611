from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, Op, TensorType


@dataclass(frozen=True)
class Softmax(Op, kind="softmax"):
    """exp(x) / Σ exp(x) over the last axis, x[..., k] -> x[..., k]."""

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        powers = np.exp(x[0] - x[0].max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{ms.support('Softmax')}({x[0]})"

    @staticmethod
    def samples() -> tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]:
        return ((Softmax(), ((None, 2, 6, 5),)), (Softmax(), ((None, 7),)))
