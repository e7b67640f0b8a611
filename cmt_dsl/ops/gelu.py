from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import Literal

from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType


@dataclass(frozen=True)
class Gelu(Op, kind="gelu"):
    """Gaussian error linear unit, x[...] -> x[...] (Hendrycks & Gimpel 2016).

    `erf` is x Φ(x); `tanh` is the paper's approximation. Frameworks disagree on which is meant.
    """

    family = "activation"

    form: Literal["erf", "tanh"]

    def infer(self, *x: TensorType) -> TensorType:
        return x[0]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        (v,) = x
        if self.form == "tanh":
            return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))
        return (0.5 * v * (1 + _erf(v / np.sqrt(2.0)))).astype(v.dtype)

    def mindspore(self, ms: Emitter, *x: str) -> str:
        act = ms.support("GeluErf" if self.form == "erf" else "GeluTanh")
        return f"{act}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        v, layout = to.read(x[0], x[0].layout), x[0].layout
        if to.opset >= 20:
            return to.unary("Gelu", x[0], approximate="none" if self.form == "erf" else "tanh")
        if self.form == "erf":
            # the pattern that ATC, ONNX Runtime and OpenVINO fuse: a division by √2, not a product
            grown = to.node("Add", to.node("Erf", to.node("Div", v, to.number(sqrt(2)))), to.number(1.0))
            return to.give(to.node("Mul", to.node("Mul", v, grown), to.number(0.5)), layout)
        cubic = to.node("Mul", to.node("Pow", v, to.number(3.0)), to.number(0.044715))
        inner = to.node("Mul", to.node("Add", v, cubic), to.number(sqrt(2 / pi)))
        grown = to.node("Add", to.node("Tanh", inner), to.number(1.0))
        return to.give(to.node("Mul", to.node("Mul", v, to.number(0.5)), grown), layout)

    @staticmethod
    def samples() -> Samples:
        return tuple((Gelu(form), ((None, 3, 4, 5),)) for form in ("erf", "tanh"))


def _erf(v: Array) -> Array:
    """Error function to 1.2e-7 relative in erfc (Numerical Recipes' Chebyshev fit), in float64."""
    import numpy as np

    t = 1 / (1 + 0.5 * np.abs(v.astype(np.float64)))
    coefficients = (0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807)
    coefficients += (-0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223)
    poly = np.zeros_like(t)
    for c in coefficients:
        poly = poly * t + c
    tail = t * np.exp(-np.square(v.astype(np.float64)) + poly)
    return np.where(v >= 0, 1 - tail, tail - 1)
