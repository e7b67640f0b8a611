"""Compiled libraries in the cache: whole or absent, made by one process, and never taken from somebody else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

MARK = b"\ncmt-kernels "


@dataclass(frozen=True)
class Entry:
    """The library of a key (hexadecimal) in a folder. Behind it, in its file, stand its key and SHA-256."""

    folder: Path
    key: str

    @property
    def path(self) -> Path:
        """Where the library is, or would be."""
        return self.folder / f"kernels-{self.key}.so"

    def sound(self) -> bool:
        """Whether the file is there, whole, of this key, and of this user or the system's."""
        try:
            with self.path.open("rb") as file:
                own = os.fstat(file.fileno()).st_uid in (0, os.getuid())
                data = file.read()
        except OSError:
            return False
        body, mark, told = data.rpartition(MARK)
        return bool(mark) and own and told == self._seal(body)

    def make(self, build: Callable[[Path], None]) -> None:
        """Let `build` write the library, unless another process does so first. OSError where nothing can be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if self.sound():
                return
            for left in self.folder.glob(
                f".{self.path.name}.*"
            ):  # of a killed process: this one has the lock
                left.unlink(missing_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.folder)
            os.close(descriptor)
            temporary = Path(name)
            try:
                build(temporary)
                body = temporary.read_bytes()
                with temporary.open("ab") as file:
                    file.write(MARK + self._seal(body))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.chmod(0o644)
                temporary.replace(self.path)
            finally:
                temporary.unlink(missing_ok=True)

    def _seal(self, body: bytes) -> bytes:
        return f"{self.key} {hashlib.sha256(body).hexdigest()}".encode()

    @contextlib.contextmanager
    def _lock(self) -> Generator[None, None, None]:
        """Be alone with this key; the kernel lifts the lock of a process that ends, however it ends."""
        import fcntl

        descriptor = os.open(
            self.folder / f"kernels-{self.key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
