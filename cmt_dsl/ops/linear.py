from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, Init, OnnxEmitter, OnnxValue, Op, Param, Samples, TensorType
from cmt_dsl.ops.attributes import Count, Flag


@dataclass(frozen=True)
class Linear(Op, kind="linear"):
    """Affine map of the channels: `[n, c, h, w] -> [n, out, h, w]` or `[n, c] -> [n, out]`.

    Weight `[out, c]`, as frameworks store a dense layer.
    """

    family = "linear"

    out: Count
    bias: Flag
    init: Init

    def infer(self, *x: TensorType) -> TensorType:
        shape = x[0].shape
        if not x[0].batched or len(shape) not in (2, 4):
            raise ShapeError("CMT-204", f"needs a map or a vector of features, not {x[0]}")
        return TensorType((None, self.out, *shape[2:]))

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        c = x[0].sizes[0]
        weight = Param("weight", (self.out, c), self.init, decay=True, fan_out=self.out)
        return (weight, Param("bias", (self.out,), "zeros")) if self.bias else (weight,)

    def macs(self, out: TensorType, *x: TensorType) -> int:
        return out.elements * x[0].sizes[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        y = np.moveaxis(np.moveaxis(x[0], 1, -1) @ p["weight"].T, -1, 1)
        return y + p["bias"].reshape(-1, *(1,) * (x[0].ndim - 2)) if self.bias else y

    def mindspore(self, ms: Emitter, *x: str) -> str:
        c = ms.types[0].sizes[0]
        if len(ms.types[0].shape) == 2:
            layer = ms.cell("nn.Dense", c, self.out, has_bias=self.bias, weight_init="zeros")
        else:
            layer = ms.support("Pointwise", c, self.out, self.bias)
        return f"{layer}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        bias = to.initialiser("bias", to.weights["bias"]) if self.bias else None
        if len(to.types[0].shape) == 2:
            weight = to.initialiser("weight", to.weights["weight"])
            return to.give(to.node("Gemm", to.read(x[0]), weight, *([bias] if bias else []), transB=1))
        product = to.node("MatMul", to.read(x[0], "tokens"), to.initialiser("weight", to.weights["weight"].T))
        return to.give(to.node("Add", product, bias) if bias else product, "tokens")

    @staticmethod
    def samples() -> Samples:
        return (
            (Linear(7, True, "trunc_normal_02"), ((None, 6, 4, 5),)),
            (Linear(7, False, "trunc_normal_02"), ((None, 6, 4, 5),)),
            (Linear(3, True, "trunc_normal_02"), ((None, 6),)),
        )
