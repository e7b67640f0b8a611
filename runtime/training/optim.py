"""AdamW, exactly as defined: decoupled decay, both moments bias-corrected. And the choice of an optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops  # noqa: E402

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


class Moments(nn.Cell):
    """What optimisers with two moments per weight carry: m and v, and c = 1 - beta^t for their bias correction.

    `decayed[i]` says whether parameter i is subject to weight decay; `factors[i]` multiplies its learning rate.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        decayed: Sequence[bool],
        factors: Sequence[float] | None = None,
        *,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ):
        super().__init__(auto_prefix=False)
        name = type(self).__name__.lower()
        self.weights = ParameterTuple(parameters)
        self.decayed, self.factors = per_parameter(parameters, decayed, factors)
        self.m = self.weights.clone(prefix=f"{name}.m", init="zeros")
        self.v = self.weights.clone(prefix=f"{name}.v", init="zeros")
        # by recurrence: 1 - beta**t in float32 would lose five digits at t = 1.
        # Gradients are weighed with a float32 1 - beta; the same number here cancels its rounding
        self.c1 = Parameter(Tensor(0.0, ms.float32), name=f"{name}.c1", requires_grad=False)
        self.c2 = Parameter(Tensor(0.0, ms.float32), name=f"{name}.c2", requires_grad=False)
        self.beta1, self.rest1 = scalar(beta1), scalar(1 - np.float32(beta1))
        self.beta2, self.rest2 = scalar(beta2), scalar(1 - np.float32(beta2))
        self.eps, self.decay = scalar(eps), scalar(weight_decay)
        self.each = ops.HyperMap()

    def carried(self) -> list[Parameter]:
        """What it carries from step to step."""
        return [*self.m, *self.v, self.c1, self.c2]


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


def per_parameter(
    parameters: Sequence[Parameter], decayed: Sequence[bool], factors: Sequence[float] | None
) -> tuple[tuple[bool, ...], tuple[float, ...]]:
    """(whether each parameter decays, the factor of its learning rate), as constants of a graph."""
    rates = [1.0] * len(parameters) if factors is None else factors
    if not len(parameters) == len(decayed) == len(rates):
        raise ValueError(f"{len(parameters)} parameters, {len(decayed)} decays, {len(rates)} factors")
    return tuple(bool(d) for d in decayed), tuple(float(f) for f in rates)


def scalar(value: float) -> Tensor:
    return Tensor(np.float32(value), ms.float32)


def make_optimizer(
    group: Any, parameters: Sequence[Parameter], decayed: Sequence[bool], factors: Sequence[float]
) -> nn.Cell:
    """The optimiser that a recipe's `optimizer` group names, over `parameters`."""
    if group.name == "sgd":
        from runtime.training.sgd import Sgd

        return Sgd(
            parameters,
            decayed,
            factors,
            momentum=group.momentum,
            nesterov=group.nesterov,
            weight_decay=group.weight_decay,
        )
    from runtime.training.lamb import Lamb

    made = {"adamw": AdamW, "lamb": Lamb}[group.name]
    beta1, beta2 = group.betas
    return made(
        parameters,
        decayed,
        factors,
        beta1=beta1,
        beta2=beta2,
        eps=group.eps,
        weight_decay=group.weight_decay,
    )
