"""What optimisers carry from step to step, and what they are told of each parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops  # noqa: E402


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
