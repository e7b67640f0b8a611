from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class GlobalAvgPool(Op, kind="global_avg_pool"):
    """Mean over the grid, `[n, c, h, w] -> [n, c]`."""

    family = "shape"

    def infer(self, *x: TensorType) -> TensorType:
        return TensorType((None, x[0].map()[0]))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].mean((2, 3))

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{ms.support('GlobalAvgPool')}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        if x[0].layout == "tokens":
            return to.give(to.reduce("ReduceMean", to.read(x[0], "tokens"), (1,), keep=False))
        return to.give(to.reshape(to.node("GlobalAveragePool", to.read(x[0])), *to.out.sizes))

    @staticmethod
    def samples() -> Samples:
        return ((GlobalAvgPool(), ((None, 3, 4, 5),)),)
