from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import LATER, Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Param, Samples, TensorType
from cmt_dsl.ops.attributes import Epsilon, Flag


@dataclass(frozen=True)
class LayerNorm(Op, kind="layer_norm"):
    """Normalisation over the channels of each position: `[n, c, h, w]` or `[n, c]`, same shape out.

    On a map this is the LayerNorm that a transformer applies to its tokens (Ba et al. 2016). With `affine` false it has no
    weight and no bias.
    """

    family = "norm"
    mindspore_names: ClassVar[Mapping[str, str]] = {"weight": "gamma", "bias": "beta"}

    eps: Epsilon
    affine: Flag = field(default=True, metadata=LATER)

    def infer(self, *x: TensorType) -> TensorType:
        if not x[0].batched or len(x[0].shape) not in (2, 4):
            raise ShapeError("CMT-204", f"needs a map or a vector of features, not {x[0]}")
        return x[0]

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        if not self.affine:
            return ()
        c = (x[0].sizes[0],)
        return Param("weight", c, "ones"), Param("bias", c, "zeros")

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        shape = (-1, *(1,) * (x[0].ndim - 2))
        centred = x[0] - x[0].mean(1, keepdims=True)
        variance = np.square(centred).mean(1, keepdims=True)
        y = centred / np.sqrt(variance + self.eps)
        if not self.affine:
            return y
        return y * p["weight"].reshape(shape) + p["bias"].reshape(shape)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        c = ms.types[0].sizes[0]
        if not self.affine:
            return f"{ms.support('PlainNorm', self.eps)}({x[0]})"
        if len(ms.types[0].shape) == 2:
            norm = ms.cell("nn.LayerNorm", (c,), epsilon=self.eps)
        else:
            norm = ms.support("ChannelNorm", c, self.eps)
        return f"{norm}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        import numpy as np

        plain = dict.fromkeys(("weight", "bias"), np.zeros(to.types[0].sizes[0]))
        plain["weight"] = plain["weight"] + 1
        values = to.weights if self.affine else plain
        scale, shift = (to.initialiser(name, values[name]) for name in ("weight", "bias"))
        layout = "tokens" if len(to.types[0].shape) == 4 else "map"
        return to.give(
            to.node("LayerNormalization", to.read(x[0], layout), scale, shift, axis=-1, epsilon=self.eps),
            layout,
        )

    @staticmethod
    def samples() -> Samples:
        return (
            (LayerNorm(1e-6), ((None, 6, 4, 5),)),
            (LayerNorm(1e-5), ((None, 6),)),
            (LayerNorm(1e-5, False), ((None, 6, 4, 5),)),
            (LayerNorm(1e-3, False), ((None, 6),)),
        )
