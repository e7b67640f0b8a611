"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from cmt_dsl.errors import CmtError


def write_atomically(path: str | Path, data: bytes | bytearray | memoryview) -> None:
    """Replace `path` by `data`, on disk before this returns; CMT-606 if that fails, the old file then stays."""
    path = Path(path)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise CmtError(
            "CMT-606",
            f"cannot write {path}: {error.strerror}",
            hint="check the free space and the permissions of the directory",
        ) from None


def _sync_directory(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot, and then need not
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
