"""Where a file is made before it has its name, and how it gets it: whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from cmt_dsl.errors import CmtError

_HERE, _EXCHANGE = -100, 2
"""Linux: paths relative to the working directory; two names change places."""


@contextlib.contextmanager
def staging(out: Path) -> Generator[Path, None, None]:
    """A hidden folder beside `out`, gone afterwards; those that killed exports of `out` left go first. CMT-606.

    Its owner holds the kernel's lock on it, which ends with the process: an unlocked one belongs to nobody.
    """
    with unwritable(out):
        for old in out.parent.glob(f".{glob.escape(out.name)}.????????"):
            if old.is_dir() and (lock := _locked(old)) is not None:
                shutil.rmtree(old, ignore_errors=True)
                os.close(lock)
        folder, lock = _own(out)
    try:
        with unwritable(out):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def unwritable(out: Path) -> Generator[None, None, None]:
    """What the file system says of writing becomes CMT-606."""
    try:
        yield
    except OSError as error:
        hint = "check the free space and the permissions of the directory"
        raise CmtError("CMT-606", f"cannot write {out}: {error.strerror or error}", hint=hint) from None


def place(made: Path, out: Path) -> None:
    """Give the file or folder `made` the name `out`, in one step of the file system.

    What had the name is where `made` was afterwards, or gone. Both are on one file system, and whole on disk before.
    """
    for each in [made, *(made.rglob("*") if made.is_dir() else ())]:
        each.chmod(0o755 if each.is_dir() else 0o644)  # MindSpore lets its owner alone read a file
        _sync(each)
    if made.is_dir() and out.exists():
        _exchange(made, out)
    else:
        made.replace(out)
    _sync(out.parent)


def require_replaceable(out: Path, is_one: bool) -> None:
    """CMT-637 unless what is at `out` is such a thing as goes there: a folder of ours (`is_one`) or an empty one, a file."""
    if out.is_dir() and not is_one and any(out.iterdir()):
        hint = "choose another -o: only a folder that an export made is replaced"
        raise CmtError("CMT-637", f"{out} is a folder with other things in it", hint=hint)


def _exchange(made: Path, out: Path) -> None:
    """Let two folders change names at once; where the system cannot, one after the other."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        rename = None
    if rename is not None and rename(_HERE, os.fsencode(made), _HERE, os.fsencode(out), _EXCHANGE) == 0:
        return
    aside = made.with_name(f"{made.name}.old")
    out.replace(aside)
    made.replace(out)


def _own(out: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        lock = _locked(folder)
        if lock is not None and folder.exists():  # nobody took it for a left one in between
            return folder, lock
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The open folder, locked; None while another process holds it."""
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
