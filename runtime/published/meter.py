"""How far a download is, how fast, and whether it stands still."""

from __future__ import annotations

import time
from collections import deque

WINDOW = 5.0  # seconds over which the rate is shown


def size(count: float) -> str:
    """Bytes for people: 12.3 MB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


class Meter:
    """Told after each piece how many bytes there are."""

    def __init__(self, have: int, total: int | None, stall: float, floor: int):
        self._total, self._stall, self._floor = total, stall, floor
        self._points = deque([(time.monotonic(), have)])
        """(moment, bytes), at most the last `stall` seconds and at least two, a tenth of a second apart."""
        self._have = have

    def moved(self, have: int) -> None:
        """There are `have` bytes now."""
        now, self._have = time.monotonic(), have
        if len(self._points) < 2 or now - self._points[-1][0] >= 0.1:
            self._points.append((now, have))
        while len(self._points) > 2 and now - self._points[1][0] >= self._stall:
            self._points.popleft()

    @property
    def rate(self) -> float:
        """Bytes a second, over the last seconds."""
        now = time.monotonic()
        since, had = next((p for p in self._points if now - p[0] <= WINDOW), self._points[-1])
        return (self._have - had) / max(now - since, 1e-3)

    def stalled(self) -> bool:
        """Whether over the whole last `stall` seconds less came than `floor` bytes a second."""
        since, had = self._points[0]
        seconds = time.monotonic() - since
        return seconds >= self._stall and (self._have - had) < self._floor * seconds

    def text(self) -> str:
        """Such as '12.3 of 104.9 MB, 3.4 MB/s, 0:27 left'."""
        if self._total is None:
            return f"{size(self._have)}, {size(self.rate)}/s"
        seconds = (self._total - self._have) / self.rate if self.rate > 0 else None
        left = "" if seconds is None else f", {int(seconds) // 60}:{int(seconds) % 60:02} left"
        return f"{size(self._have)} of {size(self._total)}, {size(self.rate)}/s{left}"
