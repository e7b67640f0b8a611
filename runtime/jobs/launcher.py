"""Run a job under msrun: show the first worker, pass signals on, leave nobody behind.

msrun alone ignores SIGTERM (its workers go on training), waits for ever for a hung worker and half a minute for its
scheduler after a dead one.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from cmt_dsl.errors import CmtError
from runtime.jobs.command import Plan
from runtime.jobs.health import Health, Sight, Verdict
from runtime.jobs.pulse import beats, prepare
from runtime.jobs.tail import Tail, last_lines
from runtime.msrun import ROLE

GRACE = 15.0
"""Seconds for workers to leave by themselves after one of them has."""
LINES = 15
"""Of a failed worker's log are shown."""
LOOK = 0.25  # seconds
MISTAKE = 2
"""Exit code of a worker that has told its user what is wrong."""
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit codes of a worker that was asked to stop."""


class Launcher:
    """One job; `show` is given lines for a person. `run` returns the exit code."""

    def __init__(self, plan: Plan, show: Callable[[str], object], patience: float):
        self._plan, self._show = plan, show
        self._health = Health(patience)
        self._asked: int | None = None
        self._nobody = False  # a signal came before any worker could take it
        self._family: dict[int, psutil.Process] = {}
        self._ranks: dict[int, int] = {}  # of the workers among them
        self._tail = Tail(plan.log(plan.ranks[0]))

    def run(self) -> int:
        """Start, watch, clean up. CMT-724 for a worker that died or hung, CMT-721 if msrun could not start them."""
        plan = self._plan
        try:
            plan.logs.mkdir(parents=True, exist_ok=True)
            prepare(plan.pulse, plan.workers)
            log = (plan.logs / "msrun.log").open("w")
        except OSError as error:
            raise CmtError("CMT-606", f"cannot write to {plan.logs}: {error.strerror}") from None
        here = f"{plan.workers} workers" + (f", {plan.local} here" if plan.local < plan.workers else "")
        self._show(f"starting {here}; logs in {plan.logs}")
        before = {n: signal.signal(n, self._signal) for n in (signal.SIGINT, signal.SIGTERM)}
        with log:
            msrun = subprocess.Popen(
                plan.command(),
                env=plan.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at a terminal is ours to pass on
            )
            try:
                return self._watch(msrun)
            finally:
                self._end(msrun)
                for line in self._tail.lines():
                    self._show(line)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _watch(self, msrun: subprocess.Popen[bytes]) -> int:
        told = time.monotonic()
        gone: float | None = None
        while msrun.poll() is None:
            time.sleep(LOOK)
            now = time.monotonic()
            self._meet(msrun.pid)
            if self._nobody:
                break
            for line in self._tail.lines():
                self._show(line)
                told = now
            if not self._tail.seen and now - told > 10:
                self._show("waiting for the workers to find each other…")
                told = now
            sights = self._sights()
            verdict = self._health.look(sights, now)
            if verdict is not None and self._asked is None:
                if "died" in verdict.reason:
                    self._settle(msrun)  # msrun knows with which code
                return self._failed(verdict)
            met = [sight for sight in sights.values() if sight.beat is not None]
            # a worker may leave before its first sign of life; msrun then waits ten minutes for its scheduler
            left = bool(met) or self._exit_code() is not None
            if left and not any(sight.alive for sight in met):
                self._settle(msrun)
                break
            if self._asked is not None:  # the first to leave is followed by all, or taken along
                some_left = any(not sight.alive for sight in met)
                gone = gone if gone is not None else (now if some_left else None)
                if gone is not None and now - gone > GRACE:
                    break
        code = self._exit_code()
        if self._asked is not None or code in STOPPED:  # the signal may have reached a worker past us
            return 128 + self._asked if self._asked is not None else int(code or 0)
        return 0 if code is None and msrun.poll() in (0, None) else self._failed(None)

    def _settle(self, msrun: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            msrun.wait(3)

    def _failed(self, verdict: Verdict | None) -> int:
        """Show the end of the log of the worker that failed; CMT-724, or its own exit code for a user's mistake."""
        code, rank = self._exit_code(), verdict.rank if verdict is not None else None
        if verdict is None or "died" in verdict.reason:
            rank = self._culprit(rank)
        for line in self._tail.lines():
            self._show(line)
        log = self._plan.logs / "msrun.log" if rank is None else self._plan.log(rank)
        lines = last_lines(log, LINES)
        if code == MISTAKE and any("[CMT-" in line for line in lines):
            first = self._plan.log(self._plan.ranks[0])
            told = set() if log == first else set(last_lines(first, LINES))  # a mistake of all is told once
            if log != first and any("[CMT-" in line and line not in told for line in lines):
                for line in lines:
                    self._show(f"worker {rank}: {line}")
            return MISTAKE
        self._show(f"the end of {log}:")
        for line in lines:
            self._show(f"  {line}")
        if rank is None:
            raise CmtError("CMT-721", "msrun could not start the workers", hint=f"its own words are in {log}")
        reason = verdict.reason if verdict is not None else "failed"
        raise CmtError(
            "CMT-724",
            f"worker {rank} {reason}" + (f": {_named(code)}" if code is not None else ""),
            hint=f"its log is {log}; the others were stopped; after training, the same command with --resume goes on",
        )

    def _culprit(self, guess: int | None) -> int | None:
        """The worker that msrun saw leave first."""
        found = _exits(self._plan.logs / "msrun.log")
        pids = self._ranks | {b.pid: rank for rank, b in enumerate(beats(self._plan.pulse)) if b is not None}
        for pid, _ in found:
            if pid in pids:
                return pids[pid]
        if guess is not None:
            return guess
        # it failed before its first sign of life: the first log that ends in an error
        for rank in self._plan.ranks:
            if any("[CMT-" in line or "Error" in line for line in last_lines(self._plan.log(rank), LINES)):
                return rank
        return None

    def _exit_code(self) -> int | None:
        found = _exits(self._plan.logs / "msrun.log")
        return found[0][1] if found else None

    def _sights(self) -> dict[int, Sight]:
        seen = beats(self._plan.pulse)
        return {rank: _sight(seen[rank]) for rank in self._plan.ranks}

    def _meet(self, pid: int) -> None:
        """Remember every process of the job: orphans have no parent to be found by."""
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(pid).children(recursive=True):
                self._family.setdefault(process.pid, process)
                self._note_rank(process)

    def _note_rank(self, process: psutil.Process) -> None:
        """A process that has just been forked says what it is once it runs its own program: asked until it does."""
        if process.pid in self._ranks:
            return
        with contextlib.suppress(psutil.Error):
            given = process.environ()
            if given.get(ROLE) == "MS_WORKER":
                self._ranks[process.pid] = int(given["RANK_ID"])

    def _signal(self, number: int, frame: Any) -> None:
        if self._asked is not None:
            self._kill()
            return
        self._asked = number
        reached = False
        for sight in self._sights().values():
            if sight.beat is not None and sight.alive:
                reached = True
                with contextlib.suppress(OSError):
                    os.kill(sight.beat.pid, number)
        self._nobody = not reached

    def _kill(self) -> None:
        for process in self._family.values():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _end(self, msrun: subprocess.Popen[bytes]) -> None:
        """Nobody of the job is left when this returns."""
        self._meet(msrun.pid)
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            msrun.wait(2)
        if msrun.poll() is None:
            msrun.kill()
            msrun.wait()
        psutil.wait_procs(list(self._family.values()), timeout=5)


def _sight(beat: Any) -> Sight:
    if beat is None:
        return Sight(None, False, False)
    try:
        status = psutil.Process(beat.pid).status()
    except psutil.Error:
        return Sight(beat, False, False)
    dead = status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return Sight(beat, not dead, status == psutil.STATUS_STOPPED)


def _exits(log: Path) -> list[tuple[int, int]]:
    """(process, exit code) of the workers that msrun saw fail, first first."""
    with contextlib.suppress(OSError):
        text = log.read_text(errors="replace")
        found = re.findall(r"Worker process (\d+) exit with exception\. Error code: (-?\d+)", text)
        return [(int(pid), int(code)) for pid, code in found]
    return []


def _named(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
