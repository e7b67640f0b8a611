"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.device.environment import mindspore
from runtime.engines.mindspore.optimisers.moments import per_parameter, scalar

ms = mindspore()
from mindspore import Parameter, ParameterTuple, nn, ops  # noqa: E402

_descend = ops.MultitypeFuncGraph("sgd_descend")


@_descend.register(
    "Function", "Bool", "Tensor", "Tensor", "Tensor", "Bool", "Number", "Tensor", "Tensor", "Tensor"
)
def _descend_one(kernel, nesterov, momentum, lr, decay, decayed, factor, weight, velocity, gradient):
    slope = gradient + decay * weight if decayed else gradient
    rate = lr if factor == 1.0 else lr * factor
    if nesterov:  # the kernel's own use_nesterov does nothing on the CPU (MindSpore 2.10)
        moved = momentum * velocity + slope
        done = ops.depend(True, ops.assign(weight, weight - rate * (slope + momentum * moved)))
        return ops.depend(done, ops.assign(velocity, moved))
    return ops.depend(True, kernel(weight, velocity, rate, slope, momentum))


class Sgd(nn.Cell):
    """g += decay * w; v = momentum * v + g; w -= lr * v, or, with nesterov, lr * (g + momentum * v).

    The conventions of Sutskever et al. 2013 as PyTorch has them: no dampening, the rate outside the velocity, decay
    as L2 in the gradient. construct(gradients, lr [] f32) -> bool; `decayed` and `factors` as in AdamW.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        decayed: Sequence[bool],
        factors: Sequence[float] | None = None,
        *,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
    ):
        super().__init__(auto_prefix=False)
        self.weights = ParameterTuple(parameters)
        self.decayed, self.factors = per_parameter(parameters, decayed, factors)
        self.velocity = self.weights.clone(prefix="sgd.velocity", init="zeros")
        self.momentum, self.decay = scalar(momentum), scalar(weight_decay)
        self.kernel, self.nesterov = ops.ApplyMomentum(), nesterov
        self.each = ops.HyperMap()

    def construct(self, gradients, lr):
        return self.each(
            ops.partial(_descend, self.kernel, self.nesterov, self.momentum, lr, self.decay),
            self.decayed,
            self.factors,
            self.weights,
            self.velocity,
            gradients,
        )

    def carried(self) -> list[Parameter]:
        """What it carries from step to step."""
        return list(self.velocity)
