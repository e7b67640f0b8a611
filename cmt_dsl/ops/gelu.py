from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmt_dsl.ir import Array, Arrays, Emitter, Op, Samples, TensorType


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
