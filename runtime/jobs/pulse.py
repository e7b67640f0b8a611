"""Signs of life: each worker of a launched job writes what it is doing where the launcher sees it.

A shared file of one fixed record per worker, written through memory: a beat costs less than a microsecond, and the last
one survives the worker.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from runtime.jobs.world import World

VARIABLE = "CMT_PULSE"
"""Environment variable with the path of the file."""
PHASES = ("starting", "compiling", "stepping", "validating", "saving", "ended")
RECORD = struct.Struct("<iiqd")


@dataclass(frozen=True)
class Beat:
    """Process `pid` began `phase` of `step` at `time` (seconds of the monotonic clock, one for all processes)."""

    pid: int
    phase: str
    step: int
    time: float


class Pulse:
    """Of this worker; does nothing where no launcher listens."""

    def __init__(self, world: World):
        self._at = world.rank * RECORD.size
        path = os.environ.get(VARIABLE)
        self._map = None
        if path is not None and Path(path).exists():
            with Path(path).open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), 0)

    def beat(self, phase: str, step: int = 0) -> None:
        """`phase` of `step` begins now."""
        if self._map is not None:
            RECORD.pack_into(self._map, self._at, os.getpid(), PHASES.index(phase), step, time.monotonic())


def prepare(path: Path, workers: int) -> None:
    """An empty file for that many workers."""
    path.write_bytes(bytes(RECORD.size * workers))


def beats(path: Path) -> list[Beat | None]:
    """The last beat of each worker; None before its first."""
    found: list[Beat | None] = []
    for pid, phase, step, at in RECORD.iter_unpack(path.read_bytes()):
        found.append(Beat(pid, PHASES[phase], step, at) if pid else None)
    return found
