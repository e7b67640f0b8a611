"""LAMB: AdamW's direction, as long as the tensor it moves."""

from __future__ import annotations

from runtime.device.environment import mindspore
from runtime.engines.mindspore.optimisers.moments import Moments

ms = mindspore()
from mindspore import ops  # noqa: E402

_adapt = ops.MultitypeFuncGraph("lamb_adapt")


@_adapt.register(
    "Tensor",
    "Tensor",
    "Tensor",
    "Tensor",
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
def _adapt_one(beta1, rest1, beta2, rest2, c1, c2, lr, eps, decay, decayed, factor, weight, m, v, gradient):
    first = beta1 * m + rest1 * gradient
    second = beta2 * v + rest2 * ops.square(gradient)
    move = first / c1 / (ops.sqrt(second / c2) + eps)
    if decayed:
        move = move + decay * weight
        size, reach = ops.sqrt(ops.square(weight).sum()), ops.sqrt(ops.square(move).sum())
        moves = ops.logical_and(size > 0.0, reach > 0.0)
        move = move * ops.select(moves, size / ops.maximum(reach, 1e-30), ops.ones_like(size))
    rate = lr if factor == 1.0 else lr * factor
    done = ops.depend(ops.assign(weight, weight - rate * move), ops.assign(m, first))
    return ops.depend(True, ops.depend(done, ops.assign(v, second)))


class Lamb(Moments):
    """w -= lr * |w| / |u| * u, u = m̂ / (sqrt(v̂) + eps) + decay * w (You et al. 2019, algorithm 2, bias-corrected).

    The trust ratio |w| / |u| is taken per tensor, and 1 where either norm is 0. Parameters that do not decay (norms,
    biases) take AdamW's step, as in the authors' code. Composed of basic operators: MindSpore's Lamb does not run on
    the CPU. construct(gradients, lr [] f32) -> bool;
    """

    def construct(self, gradients, lr):
        c1 = self.c1 * self.beta1 + self.rest1
        c2 = self.c2 * self.beta2 + self.rest2
        ok = self.each(
            ops.partial(
                _adapt,
                self.beta1,
                self.rest1,
                self.beta2,
                self.rest2,
                c1,
                c2,
                lr,
                self.eps,
                self.decay,
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
