"""Stopping together: workers that stop at different steps would wait for each other for ever."""

from __future__ import annotations

from collections import deque

from runtime.jobs.world import World
from runtime.run.interrupt import Asked, Watch
from runtime.train.engine import StepResult

LAG = 2
"""Steps after which a worker looks at what the others said; reading the newest would wait for the device."""


class Agreement:
    """Carries a signal that reached one worker to all of them, together with the mean of their losses."""

    def __init__(self, world: World, watch: Watch):
        self._watch, self._alone = watch, world.size == 1
        self._said: deque[StepResult] = deque()

    @property
    def asked(self) -> bool:
        """What this worker tells the others with its next step."""
        return self._watch.asked is not None

    def note(self, result: StepResult) -> None:
        """What a step returned; every worker calls it after each."""
        if not self._alone:
            self._said.append(result)

    def check(self) -> None:
        """Raise Asked before a step if this worker (alone) or any worker (two steps ago) was asked to stop."""
        if self._alone:
            self._watch.check()
        elif len(self._said) > LAG and self._said.popleft().asked():
            raise Asked
