from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class ToMap(Op, kind="to_map"):
    """A vector of features as a map of one position, `[n, c] -> [n, c, 1, 1]`: a gate for `mul`."""

    family = "shape"

    def infer(self, *x: TensorType) -> TensorType:
        if len(x[0].shape) != 2 or not x[0].batched:
            raise ShapeError("CMT-204", f"needs a vector of features, not {x[0]}")
        return TensorType((*x[0].shape, 1, 1))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0][:, :, None, None]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"{x[0]}.reshape(({x[0]}.shape[0], {ms.out.sizes[0]}, 1, 1))"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        return to.give(to.reshape(to.read(x[0]), *to.out.sizes))

    @staticmethod
    def samples() -> Samples:
        return ((ToMap(), ((None, 6),)),)
