"""AdamW, exactly as defined: decoupled decay, both moments bias-corrected."""

from __future__ import annotations

from typing import Any

from runtime.device.environment import mindspore
from runtime.engines.mindspore.optimisers.moments import Moments

ms = mindspore()
from mindspore import ops  # noqa: E402

_update = ops.MultitypeFuncGraph("adamw_update")


@_update.register(
    "Function",
    "Tensor",
    "Tensor",
    "Tensor",
    "Tensor",
    "Tensor",
    "Bool",
    "Number",
    "Tensor",
    "Tensor",
    "Tensor",
    "Tensor",
)
def _update_one(kernel, beta1, beta2, lr, eps, decay, decayed, factor, weight, m, v, gradient):
    share = decay if decayed else 0.0
    rate = lr if factor == 1.0 else lr * factor
    return ops.depend(True, kernel(weight, m, v, rate, beta1, beta2, eps, share, gradient))


class AdamW(Moments):
    """w -= lr * (m̂ / (sqrt(v̂) + eps) + decay * w), with m̂ = m / (1 - beta1^t), v̂ = v / (1 - beta2^t).

    MindSpore's fused kernel AdamWeightDecay leaves the bias correction out, so it is folded into the numbers the
    kernel is given: with c1 = 1 - beta1^t and c2 = 1 - beta2^t,
    lr' = lr sqrt(c2) / c1, eps' = eps sqrt(c2), decay' = decay c1 / sqrt(c2). One kernel per tensor, any device.

    construct(gradients, lr [] f32) -> bool.
    """

    def __init__(self, *parameters: Any, **rates: float):
        super().__init__(*parameters, **rates)
        self.kernel = ops.AdamWeightDecay()

    def construct(self, gradients, lr):
        c1 = self.c1 * self.beta1 + self.rest1
        c2 = self.c2 * self.beta2 + self.rest2
        root = ops.sqrt(c2)
        ok = self.each(
            ops.partial(
                _update,
                self.kernel,
                self.beta1,
                self.beta2,
                lr * root / c1,
                self.eps * root,
                self.decay * c1 / root,
            ),
            self.decayed,
            self.factors,
            self.weights,
            self.m,
            self.v,
            gradients,
        )
        ok = ops.depend(ok, ops.assign(self.c1, c1))
        return ops.depend(ok, ops.assign(self.c2, c2))
