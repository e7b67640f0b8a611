"""Stopping together: workers that stop at different steps would wait for each other for ever."""

from __future__ import annotations

from collections import deque
from typing import Any

from runtime.device.environment import mindspore
from runtime.device.world import World
from runtime.run.interrupt import Asked, Watch

LAG = 2
"""Steps after which a worker looks at what the others said; reading the newest would wait for the device."""


class Agreement:
    """Carries a signal that reached one worker to all of them, together with the mean of their losses."""

    def __init__(self, world: World, watch: Watch):
        self._watch, self._world = watch, world
        self._said: deque[Any] = deque()
        if world.size > 1:
            from runtime.device.collectives import Shared

            self._shared = Shared(world.size)

    def loss(self, loss: Any) -> Any:
        """The mean of the workers' losses of one step; every worker calls it after each step."""
        if self._world.size == 1:
            return loss
        ms = mindspore()
        asked = ms.Tensor(0.0 if self._watch.asked is None else 1.0, ms.float32)
        both = self._shared(loss, asked)
        self._said.append(both)
        return both[0]

    def check(self) -> None:
        """Raise Asked before a step if this worker (alone) or any worker (two steps ago) was asked to stop."""
        if self._world.size == 1:
            self._watch.check()
        elif len(self._said) > LAG and float(self._said.popleft().asnumpy()[1]) > 0:
            raise Asked
