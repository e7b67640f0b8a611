"""Whether workers are alive, judged from their last signs of life."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.jobs.pulse import Beat

STOPPED = 20.0
"""Seconds that a process may be stopped (SIGSTOP) before it counts as hung."""
MOVING = ("stepping", "validating", "saving")
"""Phases in which beats follow each other; a graph may compile for any time."""
ENOUGH = 3
"""Steps after which their duration tells how long one may take."""


@dataclass(frozen=True)
class Sight:
    """A worker as seen now: its last beat, and the state of its process."""

    beat: Beat | None
    alive: bool
    stopped: bool


@dataclass(frozen=True)
class Verdict:
    """What is wrong with worker `rank`."""

    rank: int
    reason: str


@dataclass
class Health:
    """Looks at workers again and again; `patience` is the least number of seconds without progress that is a hang."""

    patience: float
    _last: dict[int, Beat] = field(default_factory=dict)
    _gaps: list[float] = field(default_factory=list)
    _compiled: float = 0.0
    _stopped_since: dict[int, float] = field(default_factory=dict)

    def look(self, sights: dict[int, Sight], now: float) -> Verdict | None:
        """The first worker found dead or hung, or None. `sights` by rank; `now` on the beats' clock."""
        for rank, sight in sights.items():
            if sight.beat is None:
                continue
            self._learn(rank, sight.beat)
            if not sight.alive and sight.beat.phase != "ended":
                return Verdict(rank, f"died while {sight.beat.phase}{_at(sight.beat)}")
            since = self._stopped_since.setdefault(rank, now)
            if not sight.stopped:
                del self._stopped_since[rank]
            elif now - since > STOPPED:
                return Verdict(rank, f"is stopped since {now - since:.0f} s")
        return self._stalled(sights, now)

    def limit(self) -> float:
        """Seconds that may pass between two beats."""
        if len(self._gaps) < ENOUGH:
            return max(self.patience, self._compiled)
        return max(self.patience, 5 * max(self._gaps))

    def _learn(self, rank: int, beat: Beat) -> None:
        before = self._last.get(rank)
        self._last[rank] = beat
        if before is None or before == beat:
            return
        if before.phase in MOVING:
            self._gaps = [*self._gaps[-999:], beat.time - before.time]
        elif before.phase == "compiling":
            self._compiled = max(self._compiled, beat.time - before.time)

    def _stalled(self, sights: dict[int, Sight], now: float) -> Verdict | None:
        """A hang stops all workers, for they wait for each other: the one to blame is the furthest behind."""
        beats = {rank: sight.beat for rank, sight in sights.items() if sight.beat is not None and sight.alive}
        newest = max((beat.time for beat in beats.values()), default=now)
        if not beats or now - newest <= self.limit():
            return None
        moving = {rank: beat for rank, beat in beats.items() if beat.phase in MOVING}
        if not moving:
            return None
        rank = min(moving, key=lambda r: (moving[r].step, moving[r].time))
        return Verdict(
            rank, f"made no progress for {now - newest:.0f} s while {moving[rank].phase}{_at(moving[rank])}"
        )


def _at(beat: Beat) -> str:
    return f" (after step {beat.step})" if beat.phase in ("stepping", "saving") else ""
