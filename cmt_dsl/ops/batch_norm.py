from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Param, Samples, TensorType
from cmt_dsl.ops.attributes import Epsilon, Fraction


@dataclass(frozen=True)
class BatchNorm(Op, kind="batch_norm"):
    """Batch normalisation over n, h, w of each channel, `[n, c, h, w] -> [n, c, h, w]`.

    `momentum` is the weight of the new batch in the running statistics (0.1 where MindSpore says 0.9);
    the running variance is the unbiased one (Ioffe & Szegedy 2015).
    """

    family = "norm"
    mindspore_names: ClassVar[Mapping[str, str]] = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }

    eps: Epsilon
    momentum: Fraction

    def infer(self, *x: TensorType) -> TensorType:
        x[0].map()
        return x[0]

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        c = (x[0].map()[0],)
        return (
            Param("weight", c, "ones"),
            Param("bias", c, "zeros"),
            Param("running_mean", c, "zeros", trainable=False),
            Param("running_var", c, "ones", trainable=False),
        )

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        scale = p["weight"] / np.sqrt(p["running_var"] + self.eps)
        shift = p["bias"] - p["running_mean"] * scale
        return x[0] * scale[:, None, None] + shift[:, None, None]

    def mindspore(self, ms: Emitter, *x: str) -> str:
        c = ms.types[0].map()[0]
        norm = ms.cell("nn.BatchNorm2d", c, eps=self.eps, momentum=round(1 - self.momentum, 10))
        return f"{norm}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        names = ("weight", "bias", "running_mean", "running_var")
        constants = (to.initialiser(name, to.weights[name]) for name in names)
        return to.give(to.node("BatchNormalization", to.read(x[0]), *constants, epsilon=self.eps))

    @staticmethod
    def samples() -> Samples:
        return ((BatchNorm(1e-5, 0.1), ((None, 6, 4, 5),)), (BatchNorm(1e-3, 0.01), ((None, 2, 1, 3),)))
