"""Several batches handed to the device at once, and the steps on them looped over there."""

from __future__ import annotations

from typing import Any

from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import Parameter, Tensor, nn, ops  # noqa: E402


class Sunk(nn.Cell):
    """construct(images [k, b, ...], targets [k, b, c], rates [k], count []) -> (losses [k], applied [k] int32).

    The first `count` of the k batches are stepped on; a loop of the graph, so that k does not make the graph larger.
    """

    def __init__(self, step: nn.Cell, size: int):
        super().__init__(auto_prefix=False)
        self.step, self.size = step, size
        self.losses = Parameter(ops.zeros((size,), ms.float32), name="sink_losses", requires_grad=False)
        # int32, because a graph cannot load a parameter of bools
        self.applied = Parameter(ops.zeros((size,), ms.int32), name="sink_applied", requires_grad=False)
        self.places = ops.arange(0, size, 1, dtype=ms.int32)

    def construct(self, images, targets, rates, count):
        at = ops.zeros_like(count)
        while at < count:
            loss, applied = self.step(images[at], targets[at], rates[at])
            here = self.places == at
            ops.assign(self.losses, ops.select(here, loss, self.losses))
            ops.assign(self.applied, ops.select(here, ops.cast(applied, ms.int32), self.applied))
            at = at + 1
        return self.losses.value(), self.applied.value()


class Sink:
    """Called like a step Cell, it gathers batches until `size` are there or a result is asked for."""

    def __init__(self, step: nn.Cell, size: int):
        self._cell, self._size = Sunk(step, size).set_train(), size
        self._waiting: list[tuple[Any, Any, Any]] = []
        self._results = _Results(self)

    def __call__(self, images: Tensor, targets: Tensor, lr: Tensor) -> tuple[_Result, _Result]:
        results, place = self._results, len(self._waiting)
        self._waiting.append((images, targets, lr))
        if len(self._waiting) == self._size:
            self.flush()
        return _Result(results, place, 0), _Result(results, place, 1)

    def flush(self) -> None:
        """Step on the batches gathered so far; the graph is the same however many they are."""
        if not self._waiting:
            return
        padded = self._waiting + [self._waiting[-1]] * (self._size - len(self._waiting))
        stacked = [ops.stack(list(parts)) for parts in zip(*padded, strict=True)]
        self._results.values = self._cell(*stacked, Tensor(len(self._waiting), ms.int32))
        self._waiting, self._results = [], _Results(self)


class _Results:
    """What a group of steps returned, once it ran."""

    def __init__(self, sink: Sink):
        self.sink, self.values = sink, None

    def get(self, place: int, which: int) -> Any:
        if self.values is None:
            self.sink.flush()
        assert self.values is not None
        return self.values[which].asnumpy()[place]


class _Result:
    """A number that a step returned; asking for it runs the steps up to it."""

    def __init__(self, results: _Results, place: int, which: int):
        self._results, self._place, self._which = results, place, which

    def asnumpy(self) -> Any:
        return self._results.get(self._place, self._which)


def sunk(step: nn.Cell, size: int) -> Any:
    """`step`, called for each batch as before; with a `size` above 1 the device gets so many at once."""
    return step if size == 1 else Sink(step, size)
