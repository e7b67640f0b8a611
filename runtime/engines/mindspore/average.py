"""A moving average of the weights and running statistics, kept by the step itself."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops  # noqa: E402

_blend = ops.MultitypeFuncGraph("average_blend")


@_blend.register("Tensor", "Tensor", "Tensor")
def _blend_one(rest, mean, value):
    return ops.depend(True, ops.assign(mean, mean + rest * (value - mean)))


class Average(nn.Cell):
    """mean += (1 - d) * (value - mean) after every update; it starts from the first weights.

    d is `decay`, or with `warmup` min(decay, (1 + t) / (10 + t)) after t updates, so that the random start is soon
    forgotten. As in timm, running statistics are averaged like weights. construct() -> bool.
    `parameters`: path to Parameter.
    """

    def __init__(self, parameters: Mapping[str, Parameter], decay: float, warmup: bool):
        super().__init__(auto_prefix=False)
        self.paths = tuple(parameters)
        self.sources = ParameterTuple(list(parameters.values()))
        self.means = self.sources.clone(prefix="ema", init="zeros")
        for mean, source in zip(self.means, self.sources, strict=True):
            mean.requires_grad = False
            mean.set_data(_copy(source))
        self.updates = Parameter(Tensor(0, ms.int32), name="ema_updates", requires_grad=False)
        self.rest = Tensor(np.float32(1.0 - decay), ms.float32)
        self.warmup = warmup
        self.each = ops.HyperMap()
        self.one = Tensor(1, ms.int32)

    def construct(self):
        rest = self.rest
        if self.warmup:
            rest = ops.maximum(rest, 9.0 / (10.0 + ops.cast(self.updates, ms.float32)))
        ok = self.each(ops.partial(_blend, rest), self.means, self.sources)
        return ops.depend(ok, ops.assign_add(self.updates, self.one))

    def read(self) -> dict[str, np.ndarray]:
        """The averaged weights and statistics by path, as copies."""
        return {
            path: np.array(p.asnumpy(), copy=True) for path, p in zip(self.paths, self.means, strict=True)
        }

    def write(self, arrays: Mapping[str, np.ndarray] | None) -> None:
        """Go on from what `read` gave; CMT-604 if names or shapes differ."""
        found = None if arrays is None else {path: value.shape for path, value in arrays.items()}
        if arrays is None or found != {
            path: tuple(p.shape) for path, p in zip(self.paths, self.means, strict=True)
        }:
            raise CmtError(
                "CMT-604",
                "the averaged weights do not fit this model's parameters",
                hint="it was written by another version of cmt-dsl; train again with another --out",
            )
        for path, mean in zip(self.paths, self.means, strict=True):
            mean.set_data(Tensor(arrays[path].copy()))

    @contextlib.contextmanager
    def shown(self) -> Generator[None, None, None]:
        """While it lasts the model has the averaged weights; then exactly its own again."""
        own = [np.array(p.asnumpy(), copy=True) for p in self.sources]
        try:
            for source, mean in zip(self.sources, self.means, strict=True):
                source.set_data(_copy(mean))
            yield
        finally:
            for source, value in zip(self.sources, own, strict=True):
                source.set_data(Tensor(value))


def _copy(parameter: Parameter) -> Tensor:
    return Tensor(np.array(parameter.asnumpy(), copy=True))
