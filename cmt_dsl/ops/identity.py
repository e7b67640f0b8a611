from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Identity(Op, kind="identity"):
    """Its input under another name: x[...] -> x[...]."""

    family = "shape"
    passes_on = True

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return x[0]

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return x[0]

    @staticmethod
    def samples() -> Samples:
        return ((Identity(), ((None, 3, 4, 5),)),)
