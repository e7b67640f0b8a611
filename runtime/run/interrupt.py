"""Ctrl-C and SIGTERM as a wish that the training loop grants between two steps."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """The run ended on a signal, after writing `checkpoint` (None: before the first step was done)."""

    def __init__(self, number: int, checkpoint: Path | None):
        self.signal, self.checkpoint = number, checkpoint
        self.exit_code = 128 + number  # 130 for Ctrl-C, 143 for SIGTERM
        super().__init__(f"stopped by {signal.Signals(number).name}")


class Asked(Exception):
    """A signal has come; unwinds to where the checkpoint is written."""


class Watch:
    """While entered, the first SIGINT or SIGTERM only sets `asked`; a second one ends the process at once.

    MindSpore's C++ code turns a SIGINT into SIGTERM and a handler cannot run during a long compilation, so the
    signals are blocked and a thread of ours waits for them. Enter it before NumPy and MindSpore start threads of
    their own (threads inherit the block); otherwise plain handlers do, only less promptly.
    Until `patient` is set nothing is worth saving and the first signal already ends the process.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.patient = False
        self._before: dict[int, Any] = {}
        self._mask: set[Any] | None = None
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        if hasattr(signal, "sigtimedwait"):
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._mask is not None:
            self._over.set()
            self._thread.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Asked if a signal has come."""
        if self.asked is not None:
            raise Asked

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(InterruptedError):
                found = signal.sigtimedwait(SIGNALS, 0.2)
                # CPython returns a record of no signal where another signal interrupts the last moment of the wait
                if found is not None and found.si_signo in SIGNALS:
                    self._note(found.si_signo)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._note(number)

    def _note(self, number: int) -> None:
        if self.asked is None and self.patient:
            self.asked = number
            _tell("stopping after this step and saving; once more to stop at once")
            return
        _tell(
            "stopped at once; completed epochs are in the run directory"
            if self.patient
            else "stopped before training"
        )
        os._exit(128 + number)


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides the cursor
        sys.stderr.write(f"{shown}{text}\n")
        sys.stderr.flush()
        sys.stdout.flush()
