"""How fast the steps of a run are, apart from compilation, validation and checkpoints."""

from __future__ import annotations

import statistics
import sys
import time


class Pace:
    """Windows of steps: `start` where steps begin, `window` where some of them are done."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._found: list[float] = []  # ms per step of each window

    def start(self) -> None:
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Until the next start, time is spent on something else."""
        self._since = None

    def window(self, steps: int) -> None:
        """`steps` are done since the start or the last window, and nothing else."""
        if self._since is not None and steps:
            now = time.perf_counter()
            self._found.append((now - self._since) * 1000 / steps)
            self._since = now

    @property
    def ms_per_step(self) -> float | None:
        """Median over the windows; waiting for images counts, as it does for who waits for the run."""
        return round(statistics.median(self._found), 2) if self._found else None


def process_memory() -> int:
    """Bytes that this process has held at most."""
    import resource  # not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
