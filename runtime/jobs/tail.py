"""Following a log that someone else writes."""

from __future__ import annotations

import contextlib
from pathlib import Path

NOISE = ("[WARNING]", "[INFO]", "[ERROR]", "[CRITICAL]", "[DEBUG]")
"""What MindSpore's own lines begin with."""


class Tail:
    """Complete new lines of a file that may not be there yet; `seen` says whether there were any."""

    def __init__(self, path: Path):
        self._path, self._at, self._rest = path, 0, b""
        self.seen = False

    def lines(self) -> list[str]:
        """Without MindSpore's own."""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            file.seek(self._at)
            new = file.read()
            self._at += len(new)
            *whole, self._rest = (self._rest + new).split(b"\n")
            found = [line.decode(errors="replace") for line in whole]
            found = [line for line in found if not line.startswith(NOISE)]
            self.seen = self.seen or bool(found)
            return found
        return []


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file without MindSpore's own; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").splitlines()
        return [line for line in lines if line.strip() and not line.startswith(NOISE)][-count:]
    return []
