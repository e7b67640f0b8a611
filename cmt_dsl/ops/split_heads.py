from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Count


@dataclass(frozen=True)
class SplitHeads(Op, kind="split_heads"):
    """A map as attention reads it, `[n, c, h, w] -> [n, heads, c / heads, h·w]`."""

    family = "attention"

    heads: Count

    def infer(self, *x: TensorType) -> TensorType:
        c, h, w = x[0].map()
        if c % self.heads:
            fits = [k for k in range(1, min(c, 64) + 1) if c % k == 0]
            near = ", ".join(str(k) for k in sorted(sorted(fits, key=lambda k: abs(k - self.heads))[:4]))
            message = f"{c} channels do not split into {self.heads} heads"
            raise ShapeError("CMT-201", message, attribute="heads", hint=f"heads that divide {c}: {near}")
        return TensorType((None, self.heads, c // self.heads, h * w))

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].reshape(x[0].shape[0], self.heads, -1, x[0].shape[2] * x[0].shape[3])

    def mindspore(self, ms: Emitter, *x: str) -> str:
        _, heads, width, tokens = ms.out.shape
        return f"{x[0]}.reshape(({x[0]}.shape[0], {heads}, {width}, {tokens}))"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        heads, width, tokens = to.out.sizes
        if "tokens" in x[0].forms:
            return to.give(to.reshape(to.read(x[0], "tokens"), tokens, heads, width), "split")
        return to.give(to.reshape(to.read(x[0]), *to.out.sizes))

    @staticmethod
    def samples() -> Samples:
        return ((SplitHeads(3), ((None, 6, 4, 5),)),)
