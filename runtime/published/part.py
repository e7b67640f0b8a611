"""A file that is not all there yet, and what is known of the whole."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from cmt_dsl.errors import CmtError
from runtime.atomic import write_atomically
from runtime.published.meter import size


@dataclass(frozen=True)
class Started:
    """What a part is a part of."""

    url: str
    validator: str | None
    """ETag or date by which the server knows this very content; None: no part of it can be relied on."""
    total: int | None


@dataclass(frozen=True)
class Part:
    """NAME.part, and NAME.part.json beside it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def have(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def started(self, url: str) -> Started | None:
        """What was noted when the part was begun, if that was of this address."""
        try:
            started = Started(**json.loads(self._beside.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return started if started.url == url else None

    def begin(self, started: Started) -> None:
        """Start anew, with nothing; CMT-606."""
        self.discard()
        write_atomically(self._beside, json.dumps(asdict(started)).encode())

    def appending(self, total: int | None) -> BinaryIO:
        """Opened, unbuffered, to go on with; CMT-656 if it cannot be, or the rest of `total` bytes has no room."""
        try:
            free, rest = shutil.disk_usage(self.path.parent).free, (total or 0) - self.have
            if rest > free:
                raise self.full(f"{size(rest)} are to come, {size(free)} are free")
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.fdopen(os.open(self.path, flags, 0o644), "ab", buffering=0)
        except OSError as error:
            raise self.full(error.strerror or str(error)) from None

    def full(self, why: str) -> CmtError:
        """CMT-656 for what cannot be written."""
        return CmtError(
            "CMT-656",
            f"cannot write {self.path}: {why}",
            hint="the same command goes on from there once there is room; another place: --cache DIR",
        )

    def discard(self) -> None:
        """Delete it and what was noted of it."""
        self.path.unlink(missing_ok=True)
        self._beside.unlink(missing_ok=True)

    @property
    def _beside(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")
