"""One training step as one Cell: forward, loss, gradients, accumulation, clipping, loss scale, update, average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.data.imbalance import weighs
from runtime.device.environment import mindspore
from runtime.engines.mindspore.average import Average
from runtime.engines.mindspore.collectives import gradient_mean
from runtime.engines.mindspore.loss import Loss, ScaledLoss
from runtime.engines.mindspore.optimisers.choose import make_optimizer
from runtime.engines.mindspore.parts import freeze_norms, recompute
from runtime.jobs.world import SOLO, World
from runtime.recipe.schema import DynamicScale, FixedScale, Recipe
from runtime.train.selection import check_against_model, frozen, layer_factors, recomputed

ms = mindspore()
from mindspore import Parameter, Tensor, amp, nn, ops  # noqa: E402

_times = ops.MultitypeFuncGraph("times")
_square_sum = ops.MultitypeFuncGraph("square_sum")
_add = ops.MultitypeFuncGraph("accumulate_add")
_value = ops.MultitypeFuncGraph("accumulate_value")
_clear = ops.MultitypeFuncGraph("accumulate_clear")


@_times.register("Tensor", "Tensor")
def _times_one(factor, gradient):
    return gradient * ops.cast(factor, gradient.dtype)


@_square_sum.register("Tensor")
def _square_sum_one(gradient):
    return ops.square(gradient.astype(ms.float32)).sum()


@_add.register("Tensor", "Tensor")
def _add_one(total, gradient):
    return ops.depend(True, ops.assign_add(total, ops.cast(gradient, total.dtype)))


@_value.register("Tensor")
def _value_one(total):
    return total * 1.0


@_clear.register("Tensor", "Tensor")
def _clear_one(after, total):
    return ops.depend(True, ops.assign(total, ops.depend(ops.zeros_like(total), after)))


class TrainStep(nn.Cell):
    """construct(images, targets, lr []) -> (loss [], applied [] bool); weights and moments change in place.

    One call sees one micro-batch. Every `accumulate`-th call updates with the mean of the gradients since the last
    update, which pass in this order through `reduce` (the mean over workers), the overflow check, clipping to the
    global norm `clip_norm`, `optimizer`, `average`. With a loss `scale` an update whose gradients overflow is left out;
    a dynamic scale is then halved, and doubled after `window` calm updates.
    """

    def __init__(
        self,
        net: nn.Cell,
        optimizer: Any,
        *,
        clip_norm: float | None = None,
        scale: DynamicScale | FixedScale | None = None,
        accumulate: int = 1,
        average: Average | None = None,
        reducer: nn.Cell | None = None,
        weighted: bool = False,
    ):
        super().__init__(auto_prefix=False)
        self.net, self.optimizer, self.average, self.reducer = net, optimizer, average, reducer
        self.scaled, self.dynamic = scale is not None, isinstance(scale, DynamicScale)
        loss = Loss(net, weighted=weighted)
        loss = loss if scale is None else ScaledLoss(loss)
        self.grad = ops.value_and_grad(loss, None, optimizer.weights)
        self.clips = clip_norm is not None
        self.limit = Tensor(clip_norm if clip_norm is not None else 1.0, ms.float32)
        self.map = ops.HyperMap()
        self.one = Tensor(1.0, ms.float32)
        if scale is not None:
            first = scale.initial if isinstance(scale, DynamicScale) else scale.fixed
            self.scale = Parameter(Tensor(first, ms.float32), name="loss_scale", requires_grad=False)
        if isinstance(scale, DynamicScale):
            self.window = Tensor(scale.window, ms.int32)
            self.calm = Parameter(Tensor(0, ms.int32), name="loss_scale_calm_steps", requires_grad=False)
        self.accumulate = accumulate
        self.share = Tensor(np.float32(1.0 / accumulate), ms.float32)
        if accumulate > 1:
            self.sums = optimizer.weights.clone(prefix="accumulated", init="zeros")
            self.calls = Parameter(Tensor(0, ms.int32), name="accumulated_calls", requires_grad=False)

    def construct(self, images, targets, lr):
        if self.scaled:
            scale = self.scale.value()
            loss, gradients = self.grad(images, targets, scale)
            loss = loss / scale
        else:
            loss, gradients = self.grad(images, targets)
        if self.accumulate == 1:
            return loss, self.updated(gradients, lr)
        return loss, self.gathered(gradients, lr)

    def gathered(self, gradients, lr):
        """Add to the sums; update where this call is the last of its group."""
        ok = self.map(_add, self.sums, gradients)
        calls = ops.depend(self.calls + 1, ok)
        applied = Tensor(True)
        if calls >= self.accumulate:
            applied = self.updated(self.map(_value, self.sums), lr)
            calls = ops.depend(ops.zeros_like(calls), self.map(ops.partial(_clear, applied), self.sums))
        return ops.depend(applied, ops.assign(self.calls, calls))

    def updated(self, gradients, lr):
        """One update; whether it was applied."""
        gradients = self.reduce(gradients)
        if not self.scaled:
            return self.applied(gradients, self.share, lr)
        finite = amp.all_finite(gradients)
        scale = self.scale.value()
        done = finite
        if finite:
            done = self.applied(gradients, self.share / scale, lr)
        if self.dynamic:
            done = ops.depend(done, self.rescaled(finite, scale))
        return ops.depend(finite, done)

    def reduce(self, gradients):
        """The one place between the gradients of this worker and those that everything else sees."""
        return gradients if self.reducer is None else self.reducer(gradients)

    def applied(self, gradients, factor, lr):
        """Multiply by `factor`, clip, update."""
        if self.clips:
            norm = ops.sqrt(ops.addn(self.map(_square_sum, gradients))) * factor
            factor = factor * ops.minimum(self.limit / (norm + 1e-6), self.one)
        if self.clips or self.scaled or self.accumulate > 1:
            gradients = self.map(ops.partial(_times, factor), gradients)
        done = ops.depend(Tensor(True), self.optimizer(gradients, lr))
        if self.average is not None:
            done = ops.depend(done, self.average())
        return done

    def rescaled(self, finite, scale):
        calm = ops.select(finite, self.calm + 1, ops.zeros_like(self.calm))
        grow = calm >= self.window
        other = ops.select(
            finite, ops.select(grow, scale * 2, scale), ops.maximum(scale / 2, ops.ones_like(scale))
        )
        done = ops.assign(self.scale, other)
        return ops.depend(done, ops.assign(self.calm, ops.select(grow, ops.zeros_like(calm), calm)))

    def carried(self) -> dict[str, Parameter]:
        """What it carries from call to call besides weights and their average, by name."""
        found = {p.name: p for p in self.optimizer.carried()}
        if self.dynamic:
            found |= {"loss_scale": self.scale, "loss_calm": self.calm}
        if self.accumulate > 1:
            found |= {p.name: p for p in [*self.sums, self.calls]}
        if self.average is not None:
            found[self.average.updates.name] = self.average.updates
        return found

    def gathered_alone(self, statistics: Sequence[str]) -> dict[str, Parameter]:
        """What workers do not share until they make it one: sums of gradients, the average of these `statistics`."""
        found = {p.name: p for p in self.sums} if self.accumulate > 1 else {}
        if self.average is not None:
            held = dict(zip(self.average.paths, self.average.means, strict=True))
            found |= {held[path].name: held[path] for path in statistics}
        return found


def train_step(net: nn.Cell, graph: Any, recipe: Recipe, decay_all: bool, world: World = SOLO) -> TrainStep:
    """The step Cell for `net` (as `in_precision` returned it) whose parameters are described by `graph`.

    In a world of several workers gradients are averaged over them before anything looks at them. CMT-801 or CMT-803 where
    the recipe names parts that the model does not have.
    """
    from cmt_dsl.lower.mindspore.names import canonical_names

    check_against_model(recipe, graph)
    train, names = recipe.train, canonical_names(graph)
    infos = {p.path: p for p in graph.params}
    kept = frozen(graph, train.freeze)
    freeze_norms(net, None if train.freeze_norm else kept, names)
    recompute(net, recomputed(graph, train.recompute))
    own = {names[p.name]: p for p in net.get_parameters() if p.name in names}
    trainable = {path: p for path, p in own.items() if infos[path].trainable and path not in kept}
    factors = layer_factors(graph, recipe.optimizer.layer_decay)
    optimizer = make_optimizer(
        recipe.optimizer,
        list(trainable.values()),
        [decay_all or infos[path].decay for path in trainable],
        [factors[path] for path in trainable],
    )
    ema = train.ema
    step = TrainStep(
        net,
        optimizer,
        clip_norm=train.clip_norm,
        scale=recipe.device.loss_scale,
        accumulate=train.accumulate,
        average=None if ema is None else Average(own, ema.decay, ema.warmup),
        reducer=gradient_mean(optimizer.weights) if world.size > 1 else None,
        weighted=weighs(recipe.loss.class_weights, balance=recipe.data.balance),
    )
    return step.set_train()
