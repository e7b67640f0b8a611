"""A lock between processes that ends with its holder, however that ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

from cmt_dsl.errors import CmtError

EVERY = 0.1  # seconds between two tries


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Generator[None, None, None]:
    """Hold the lock file `path`; while another process does, wait and call `waiting()` once, or without it CMT-656.

    The kernel's lock on an open file, so nothing stays behind a killed process. OSError where there can be none.
    """
    told = False
    while (descriptor := _taken(path)) is None:
        if waiting is None:
            raise CmtError(
                "CMT-656", f"another process is at work on {path.stem}", hint="wait for it, or stop it"
            )
        if not told:
            waiting()
        told = True
        time.sleep(EVERY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """The locked file, or None while another process holds it."""
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:  # its last holder has just removed it, as where the numbers differ
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
