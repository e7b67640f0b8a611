"""One training step as one Cell: forward, loss, gradients, clipping, loss scale, update."""

from __future__ import annotations

from typing import Any

from cmt_dsl.errors import CmtError
from runtime.device.environment import mindspore
from runtime.device.world import SOLO, World
from runtime.recipe.schema import LossScale, Recipe
from runtime.training.optim import AdamW

ms = mindspore()
from mindspore import Parameter, Tensor, amp, nn, ops  # noqa: E402

from runtime.device.collectives import gradient_mean  # noqa: E402

_times = ops.MultitypeFuncGraph("times")
_square_sum = ops.MultitypeFuncGraph("square_sum")


@_times.register("Tensor", "Tensor")
def _times_one(factor, gradient):
    return gradient * ops.cast(factor, gradient.dtype)


@_square_sum.register("Tensor")
def _square_sum_one(gradient):
    return ops.square(gradient.astype(ms.float32)).sum()


class Loss(nn.Cell):
    """Mean cross-entropy in float32: construct(images, targets [n, classes]) -> []. Targets are probabilities."""

    def __init__(self, net: nn.Cell):
        super().__init__(auto_prefix=False)
        self.net = net
        self.entropy = ops.SoftmaxCrossEntropyWithLogits()

    def construct(self, images, targets):
        logits = self.net(images).astype(ms.float32)
        losses, _ = self.entropy(logits, targets)
        return losses.mean()


class ScaledLoss(nn.Cell):
    """The loss times the loss scale, so that float16 gradients do not vanish."""

    def __init__(self, loss: Loss):
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, images, targets, scale):
        return self.loss(images, targets) * scale


class TrainStep(nn.Cell):
    """construct(images, targets, lr []) -> (loss [], applied [] bool); weights and moments change in place."""

    def __init__(
        self, net: nn.Cell, optimizer: AdamW, clip_norm: float | None, reduce: nn.Cell | None = None
    ):
        super().__init__(auto_prefix=False)
        self.net, self.optimizer = net, optimizer
        self.reduce = reduce if reduce is not None else nn.Identity()
        self.grad = ops.value_and_grad(Loss(net), None, optimizer.weights)
        self.clips = clip_norm is not None
        self.limit = Tensor(clip_norm if clip_norm is not None else 1.0, ms.float32)
        self.map = ops.HyperMap()

    def construct(self, images, targets, lr):
        loss, gradients = self.grad(images, targets)
        gradients = self.reduce(gradients)
        if self.clips:
            gradients = self.clipped(gradients)
        loss = ops.depend(loss, self.optimizer(gradients, lr))
        return loss, Tensor(True)

    def clipped(self, gradients):
        norm = ops.sqrt(ops.addn(self.map(_square_sum, gradients)))
        factor = ops.minimum(self.limit / (norm + 1e-6), Tensor(1.0, ms.float32))
        return self.map(ops.partial(_times, factor), gradients)


class ScaledTrainStep(nn.Cell):
    """TrainStep with a dynamic loss scale: a step whose gradients overflow is left out and halves the scale."""

    def __init__(
        self,
        net: nn.Cell,
        optimizer: AdamW,
        clip_norm: float | None,
        scale: LossScale,
        reduce: nn.Cell | None = None,
    ):
        super().__init__(auto_prefix=False)
        self.net, self.optimizer = net, optimizer
        self.reduce = reduce if reduce is not None else nn.Identity()
        self.grad = ops.value_and_grad(ScaledLoss(Loss(net)), None, optimizer.weights)
        self.clips = clip_norm is not None
        self.limit = Tensor(clip_norm if clip_norm is not None else 1.0, ms.float32)
        self.map = ops.HyperMap()
        self.window = Tensor(scale.window, ms.int32)
        self.scale = Parameter(Tensor(scale.initial, ms.float32), name="loss_scale", requires_grad=False)
        self.calm = Parameter(Tensor(0, ms.int32), name="loss_scale_calm_steps", requires_grad=False)

    def construct(self, images, targets, lr):
        scale = self.scale.value()
        scaled, gradients = self.grad(images, targets, scale)
        gradients = self.reduce(gradients)  # an overflow anywhere is one everywhere
        finite = amp.all_finite(gradients)
        factor = 1.0 / scale
        if self.clips:
            norm = ops.sqrt(ops.addn(self.map(_square_sum, gradients))) / scale
            factor = factor * ops.minimum(self.limit / (norm + 1e-6), Tensor(1.0, ms.float32))
        loss = scaled / scale
        if finite:
            gradients = self.map(ops.partial(_times, factor), gradients)
            loss = ops.depend(loss, self.optimizer(gradients, lr))
        calm = ops.select(finite, self.calm + 1, ops.zeros_like(self.calm))
        grow = calm >= self.window
        other = ops.select(
            finite, ops.select(grow, scale * 2, scale), ops.maximum(scale / 2, ops.ones_like(scale))
        )
        loss = ops.depend(loss, ops.assign(self.scale, other))
        loss = ops.depend(loss, ops.assign(self.calm, ops.select(grow, ops.zeros_like(calm), calm)))
        return loss, finite


def in_precision(cell: nn.Cell, level: str) -> nn.Cell:
    """`cell` computing at an amp level; use the returned cell. Norms (O2) and softmax stay in float32."""
    if level == "O0":
        return cell
    mixed = amp.auto_mixed_precision(cell, level, ms.float16)
    for _, part in cell.cells_and_names():
        if isinstance(part, nn.Softmax):
            part.to_float(ms.float32)
    return mixed


def train_step(net: nn.Cell, graph: Any, recipe: Recipe, decay_all: bool, world: World = SOLO) -> nn.Cell:
    """The step Cell for `net` (as `in_precision` returned it) whose parameters are described by `graph`.

    In a world of several workers gradients are averaged over them before anything looks at them.
    """
    from cmt_dsl.lower.weights import canonical_names

    names = canonical_names(graph)
    infos = {p.path: p for p in graph.params}
    trainable = [p for p in net.trainable_params() if p.name in names and infos[names[p.name]].trainable]
    if not trainable:
        raise CmtError("CMT-801", "this model has nothing to train")
    group = recipe.optimizer
    optimizer = AdamW(
        trainable,
        [decay_all or infos[names[p.name]].decay for p in trainable],
        beta1=group.betas[0],
        beta2=group.betas[1],
        eps=group.eps,
        weight_decay=group.weight_decay,
    )
    clip, scale = recipe.train.clip_norm, recipe.device.loss_scale
    reduce = gradient_mean(optimizer.weights) if world.size > 1 else None
    if scale is None:
        return TrainStep(net, optimizer, clip, reduce).set_train()
    step = ScaledTrainStep(net, optimizer, clip, scale, reduce)
    return step.set_train()
