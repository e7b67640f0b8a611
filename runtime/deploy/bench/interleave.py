"""Children that compute in turn: everything that disturbs a machine for a while disturbs all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.deploy.bench.child import Child, Lost
from runtime.deploy.bench.contender import Contender, environment, processors

Tell = Callable[[str], object]
SETTLE = 0.05
"""Seconds between two that compute: threads of the one before may still spin, waiting for work."""


@dataclass
class Track:
    """What was measured of a contender: `rounds` holds the times of its calls, a list for each round."""

    contender: Contender
    rounds: list[list[float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    memory: int = 0
    lost: str = ""
    """Why it is not measured, or not to the end."""

    @property
    def times(self) -> list[float]:
        """Of all calls, in their order."""
        return [each for times in self.rounds for each in times]


class Session:
    """Rounds of contenders. `tracks` and `peaks` hold what was measured so far, whenever and however it ends.

    The contenders of one batch size are alive together, and one batch after the other, so that memory holds them;
    what measures the machine's peak is alive with each of them. `peaks` has a track for each batch.
    """

    def __init__(self, *, threads: int, rounds: int, seconds: float, tell: Tell = print) -> None:
        self._rounds, self._slice, self._tell = rounds, seconds / rounds, tell
        self._threads, self._cpus = threads, processors()[:threads]
        self._alive: list[Child] = []
        self.tracks: list[Track] = []
        self.peaks: dict[int, list[Track]] = {}
        self.references: list[Track] = []
        """What was to measure peaks, before any round: those that cannot say why."""
        self.complete = False
        self.turns: list[tuple[int, int, str]] = []
        """(batch, round, contender) in the order in which they computed."""

    def run(self, contenders: Sequence[Contender], peaks: Sequence[Contender] = ()) -> None:
        """Measure them all. Whatever ends it, KeyboardInterrupt too, ends every child."""
        try:
            self.references = [Track(each) for each in peaks]
            references = self._started(self.references)
            for batch in sorted({each.batch for each in contenders}):
                at_peak = [
                    (child, Track(t.contender, facts=t.facts))
                    for child, t in references
                    if child in self._alive
                ]
                self.peaks[batch] = [track for _, track in at_peak]
                group = [Track(each) for each in contenders if each.batch == batch]
                self.tracks += group
                running = self._started(group)
                self._interleave(batch, [*at_peak, *running] if running else [])
                self._end(child for child, _ in running)
            self.complete = True
        finally:
            self._end(self._alive.copy())

    def _started(self, tracks: Iterable[Track]) -> list[tuple[Child, Track]]:
        """Those that could load, one after the other."""
        running: list[tuple[Child, Track]] = []
        for track in tracks:
            who = track.contender
            self._tell(f"{who}: loading …")
            try:
                child = Child(who.command, environment(self._threads, unlimited=who.unlimited))
            except Lost as error:
                track.lost = str(error)
                continue
            self._alive.append(child)
            job = {**who.job, "precision": who.precision, "batch": who.batch, "threads": self._threads}
            if answer := self._asked(child, track, {**job, "cpus": self._cpus, "warm_up": self._slice / 2}):
                track.facts = answer["ready"]
                running.append((child, track))
        return running

    def _asked(self, child: Child, track: Track, message: dict[str, Any]) -> dict[str, Any] | None:
        """The child's answer; of one that is lost the track says why, and it is ended."""
        try:
            answer = child.ask(message)
        except Lost as error:
            track.lost = str(error)
            self._end([child])
            return None
        track.memory = answer["memory"]
        return answer

    def _interleave(self, batch: int, running: list[tuple[Child, Track]]) -> None:
        for number in range(self._rounds):
            turn = number % max(len(running), 1)
            for child, track in [*running[turn:], *running[:turn]]:  # nobody is always the first
                if track.lost:
                    continue
                self._tell(f"batch {batch}, round {number + 1} of {self._rounds}: {track.contender.by}")
                time.sleep(SETTLE)
                if answer := self._asked(child, track, {"seconds": self._slice}):
                    self.turns.append((batch, number, str(track.contender)))
                    track.rounds.append(answer["times"])

    def _end(self, children: Iterable[Child]) -> None:
        gone = [child for child in children if child in self._alive]
        for child in gone:
            child.dismiss()
        for child in gone:
            child.end()
            self._alive.remove(child)
