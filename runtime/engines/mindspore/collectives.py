"""Collective operators as Cells; only graph mode carries them on the CPU."""

from __future__ import annotations

from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import nn, ops  # noqa: E402


class Collective(nn.Cell):
    """construct(x [n]) -> [n] (AllReduce: the sum, Broadcast: the first worker's) or [workers * n] (AllGather)."""

    def __init__(self, kind: str):
        super().__init__()
        self.several = kind == "Broadcast"
        self.operator = ops.Broadcast(0) if self.several else getattr(ops, kind)()

    @ms.jit
    def construct(self, x):
        if self.several:
            return self.operator((x,))[0]
        return self.operator(x)


class Shared(nn.Cell):
    """construct(loss [], asked []) -> [2]: their means over the workers."""

    def __init__(self, workers: int):
        super().__init__()
        self.sum = ops.AllReduce()
        self.share = ms.Tensor(1.0 / workers, ms.float32)

    @ms.jit
    def construct(self, loss, asked):
        return self.sum(ops.stack((loss.astype(ms.float32), asked))) * self.share


def gradient_mean(parameters):
    """A Cell that turns each worker's gradients into their mean."""
    return nn.DistributedGradReducer(parameters, mean=True)
