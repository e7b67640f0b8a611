"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError

_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)
"""What a file system says whose directories cannot be opened or synced; it then needs no syncing."""


def write_atomically(path: str | Path, *pieces: Any) -> None:
    """Replace `path` by the pieces (bytes, or arrays of bytes) one after the other; CMT-606 if that fails.

    They are on disk before this returns. After any failure the old file stays and no other is left behind.
    """
    path = Path(path)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            Path(temporary).chmod(0o644)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = ""
        _sync_directory(path.parent)
    except OSError as error:
        raise CmtError(
            "CMT-606",
            f"cannot write {path}: {error.strerror or error}",
            hint="check the free space and the permissions of the directory",
        ) from None
    finally:
        if temporary:  # an error, or Ctrl-C
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Delete the temporary files of writes of `names` that were killed; for who alone writes in `folder`."""
    for name in names:
        for file in folder.glob(f".{name}.????????"):
            file.unlink(missing_ok=True)


def link_atomically(source: Path, path: Path) -> None:
    """Make `path` another name of the file `source`, or a copy where the file system has no links; CMT-606.

    Only for files that are replaced and never changed, as all that `write_atomically` writes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        temporary.replace(path)
    except OSError:
        write_atomically(path, source.read_bytes())
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
