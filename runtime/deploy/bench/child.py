"""The parent's side of a measurement: a child process that is asked line by line, as `serve` says."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

PATIENCE = 1800.0
"""Seconds that a child may take for one answer: MindSpore compiles for minutes."""
FAREWELL = 3.0
"""Seconds that an idle one gets to clean up behind itself."""


class Lost(Exception):
    """The child cannot go on; its text says why, in a line."""


class Child:
    """A process that computes when it is asked to, in a session of its own: Ctrl-C reaches its parent alone."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self._rest, self._busy = b"", False
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise Lost(f"{command[0]} cannot be started: {error.strerror}") from None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, message: Mapping[str, Any], within: float = PATIENCE) -> dict[str, Any]:
        """Its answer; Lost where it has none to give, refuses or does not answer within so many seconds."""
        assert self._process.stdin is not None
        self._busy = True
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Lost(self._epitaph()) from None
        answer = json.loads(self._line(within))
        self._busy = False
        for word in ("unusable", "failed"):
            if word in answer:
                raise Lost(answer[word])
        return answer

    def _line(self, within: float) -> bytes:
        assert self._process.stdout is not None
        until = time.monotonic() + within
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not ready.select(max(0.0, until - time.monotonic())):
                    raise Lost(f"gave no answer within {within:.0f} s")
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise Lost(self._epitaph())
                self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _epitaph(self) -> str:
        """How it ended, and the last that it had to say."""
        code = self._process.wait()
        how = f"ended with exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"was ended by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += " (out of memory?)"
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - 4096))
        said = self._log.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {said[-1].strip()}" if said else how

    def dismiss(self) -> None:
        """Let it end by itself if it is idle; `end` waits for that."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):  # it has gone, with bytes that it has not read
                self._process.stdin.close()

    def end(self) -> None:
        """It is over, with all that it may have started: an idle child soon, one that computes at once."""
        self.dismiss()
        if not self._busy:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(FAREWELL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
