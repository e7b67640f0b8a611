from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cmt_dsl.ir import LATER, Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.axes import Over, axes


@dataclass(frozen=True)
class Softmax(Op, kind="softmax"):
    """exp(x) / Σ exp(x) over the last axis, x[..., k] -> x[..., k], or over what `over` names."""

    family = "attention"

    over: Over | None = field(default=None, metadata=LATER)

    def infer(self, *x: TensorType) -> TensorType:
        if self.over is not None:
            axes(x[0], self.over)
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        at: Any = -1 if self.over is None else axes(TensorType((None, *x[0].shape[1:])), self.over)
        powers = np.exp(x[0] - x[0].max(at, keepdims=True))
        return powers / powers.sum(at, keepdims=True)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        softmax, type_ = ms.support("Softmax"), ms.types[0]
        if self.over == "grid":
            c, h, w = type_.map()
            flat = f"{softmax}({x[0]}.reshape(({x[0]}.shape[0], {c}, {h * w})))"
            return f"{flat}.reshape(({x[0]}.shape[0], {c}, {h}, {w}))"
        last = len(type_.shape) - 1
        axis = last if self.over is None else axes(type_, self.over)[0]
        if axis == last:
            return f"{softmax}({x[0]})"
        return f"{softmax}({x[0]}.swapaxes({axis}, {last})).swapaxes({axis}, {last})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        rank = len(to.types[0].shape)
        return to.softmax(x[0], (rank - 1,) if self.over is None else axes(to.types[0], self.over))

    @staticmethod
    def samples() -> Samples:
        overs: tuple[Over, ...] = ("channels", "height", "width", "grid")
        named = ((Softmax(over), ((None, 3, 4, 5),)) for over in overs)
        return (
            (Softmax(), ((None, 2, 6, 5),)),
            (Softmax(), ((None, 7),)),
            *named,
            (Softmax("channels"), ((None, 7),)),
        )
