from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Param, Samples, TensorType
from cmt_dsl.ops.attributes import Flag, Shape, Start


@dataclass(frozen=True)
class Parameter(Op, kind="parameter"):
    """A trainable tensor of the given shape, without a batch: a position bias, a gate, a layer scale.

    It starts as `init` says, or from the number that `init` is.
    """

    family = "parameter"
    sized = True

    shape: Shape
    init: Start
    decay: Flag = False
    arity = (0, 0)

    def infer(self, *x: TensorType) -> TensorType:
        return TensorType(self.shape)

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        return (Param("", self.shape, self.init, decay=self.decay),)

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return p[""]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return ms.parameter("")

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        raise AssertionError("the lowering supplies the image, and what does not depend on it")

    @staticmethod
    def samples() -> Samples:
        return ((Parameter((3, 1, 2), "normal"), ()), (Parameter((4,), 0.5, decay=True), ()))
