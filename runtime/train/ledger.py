"""What the steps returned: losses of the epoch, steps left out, and whether training still works."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from runtime.train.engine import StepResult

MAX_OVERFLOWS = 40  # in a row: from 2^24, the scale has then long been 1


class Ledger:
    """Collects results without waiting for the device.

    `failed` is told a loss that ends the run, and raises; `told` how many steps were read, and the losses of those
    that counted. Under a loss scale (`scaled`) a loss that is no number is an overflow: its step counts as left out.
    """

    def __init__(
        self,
        failed: Callable[[float], object],
        told: Callable[[int, list[float]], object],
        *,
        scaled: bool = False,
    ):
        self.losses: list[float] = []  # of the epoch so far
        self.waiting: list[StepResult] = []  # results of steps, not read yet
        self.skipped = self.overflows = 0
        self._failed, self._told, self._scaled = failed, told, scaled

    @property
    def last(self) -> float | None:
        return self.losses[-1] if self.losses else None

    def read(self) -> None:
        """Move the losses of the waiting steps to `losses`, in order; waits for the device."""
        count, before = len(self.waiting), len(self.losses)
        for result in self.waiting:
            value, counts = result.read()
            counts = counts and (math.isfinite(value) or not self._scaled)
            if not counts:
                self.skipped, self.overflows = self.skipped + 1, self.overflows + 1
            elif math.isfinite(value):
                self.overflows = 0
                self.losses.append(value)
            if self.overflows > MAX_OVERFLOWS or (counts and not math.isfinite(value)):
                self._failed(value)
        self.waiting.clear()
        if count:
            self._told(count, self.losses[before:])

    def state(self) -> dict[str, Any]:
        return {"losses": self.losses, "skipped": self.skipped, "overflows": self.overflows}

    def restore(self, state: dict[str, Any]) -> None:
        self.losses = list(state["losses"])
        self.skipped, self.overflows = state["skipped"], state["overflows"]
