"""This side of the process that opens a file: it waits with limits, and ends it in any case."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.files.wire import receive, send
from runtime.device.isa import LIMITS

PATIENCE = {"mindspore": 600.0}
USUAL_PATIENCE = 180.0
"""Seconds for opening a file, and again for its first image."""
BASE_MEMORY, MEMORY_PER_BYTE = 3 << 30, 16
"""Bytes that opening and the first image may take, and more for each byte of the file."""
TICK = 0.05
_START = (
    "import json, sys; path, by, threads, sys.path[:] = json.loads(sys.argv[1]); "
    "from runtime.deploy.files.attempt import main; main(path, by, threads)"
)


class Trial:
    """A file at work in a process of its own; `facts` are what it told of itself. Leave it by `close`."""

    def __init__(self, path: Path, by: str, size: int, threads: int | None = None):
        self.path, self.by, self._doing = path, by, "was opened"
        self._limit: float | None = BASE_MEMORY + MEMORY_PER_BYTE * size
        self._place = tempfile.TemporaryDirectory(prefix="cmt-file-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        search = [str(Path(each or ".").resolve()) for each in sys.path]
        told = json.dumps([str(path.resolve()), by, threads, search])
        hidden = {"ORT_LOAD_CONFIG_FROM_MODEL", *(() if by == "mindspore" else LIMITS)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, told],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, cwd=self._place.name,
            env={k: v for k, v in os.environ.items() if k not in hidden}, start_new_session=True,
        )  # fmt: skip
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            facts = self._next()
        except BaseException:
            self.close()
            raise
        self.facts: dict[str, Any] = facts if isinstance(facts, dict) else {}
        self._doing = "computed its first image"

    def compute(self, images: Array, wanted: dict[str, Any]) -> Array:
        """The value of an output for images in the input's own form. CMT-861."""
        assert self._process.stdin is not None
        stream: Any = self._process.stdin
        with contextlib.suppress(OSError):  # it has died: `_next` says how
            send(stream, wanted)
            send(stream, images)
        answer: Any = self._next()
        self._doing, self._limit = "computed", None
        return answer

    def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
        self._log.close()
        self._place.cleanup()

    def _listen(self) -> None:
        stream: Any = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            while (message := receive(stream)) is not None:
                self._answers.put(message)
        self._answers.put(None)

    def _next(self) -> Any:
        patience = PATIENCE.get(self.by, USUAL_PATIENCE)
        end = time.monotonic() + patience if self._limit is not None else None
        while True:
            with contextlib.suppress(queue.Empty):
                answer = self._answers.get(timeout=TICK)
                break
            if end is not None and time.monotonic() > end:
                raise self._failed(f"took longer than {patience:.0f} s")
            if self._limit is not None and self._memory() > self._limit:
                raise self._failed(f"took more than {self._limit / 2**30:.1f} GiB of memory")
        if answer is None:
            raise self._failed(self._end())
        if isinstance(answer, dict) and "error" in answer:
            code, message, hint = answer["error"]
            if code == "CMT-861":
                raise self._failed(f"ended in an error: {message}")
            raise CmtError(
                str(code), str(message).replace(str(self.path.resolve()), str(self.path)), hint=str(hint)
            )
        return answer

    def _memory(self) -> float:
        try:
            return float(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0.0

    def _end(self) -> str:
        code = self._process.wait()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"ended in a crash ({signal.Signals(-code).name})"
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read()[-4000:].decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        why = "".join(c for c in last if c.isprintable())[:200]
        return f"ended its process with code {code}" + (f": {why}" if why else "")

    def _failed(self, what: str) -> CmtError:
        return CmtError(
            "CMT-861",
            f"{self.path} {what}, while it {self._doing} by {self.by}",
            hint="the file may be damaged, or made for another runtime or version; nothing of it is left running",
        )
