from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Input(Op, kind="input"):
    """The image `[n, channels, height, width]`; the first node of every graph."""

    family = "input"
    sized = True

    channels: int
    height: int
    width: int
    arity = (0, 0)

    def infer(self, *x: TensorType) -> TensorType:
        return TensorType((None, self.channels, self.height, self.width))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        raise AssertionError("the executor supplies the input")

    def mindspore(self, ms: Emitter, *x: str) -> str:
        raise AssertionError("the model's construct supplies the input")

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        raise AssertionError("the lowering supplies the image, and what does not depend on it")

    @staticmethod
    def samples() -> Samples:
        return ()  # it computes nothing
