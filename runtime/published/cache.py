"""Where fetched weights lie: one checkpoint a name, what is known of where it came from, and unfinished downloads."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from cmt_dsl.caches import VARIABLE, cache_directory
from cmt_dsl.errors import CmtError
from runtime.atomic import remove_leftovers, write_atomically
from runtime.published.lock import locked
from runtime.published.schema import NAME

ENDINGS = (".safetensors", ".json", ".part", ".part.json", ".lock")
"""Of all the files that a name has here."""


@dataclass(frozen=True)
class Record:
    """The file that was taken for a name; it stays when the weights are removed, so that another is noticed."""

    source: str
    """Its address, or the file that was given."""
    url: str | None
    """The address of the list at that time."""
    sha256: str
    bytes: int
    date: str


@dataclass(frozen=True)
class Cache:
    """The folder `weights` of a cache directory."""

    folder: Path

    def file(self, name: str, ending: str = ".safetensors") -> Path:
        """Where a name's checkpoint is, or another of its files; CMT-650 for what cannot be a name."""
        if not re.fullmatch(NAME, name):
            raise CmtError(
                "CMT-650", f"{name[:64]!r} is no name of weights", hint="cmt weights list shows all"
            )
        return self.folder / f"{name}{ending}"

    def has(self, name: str) -> bool:
        return self.file(name).is_file()

    def names(self) -> list[str]:
        """Names of the weights that are here."""
        return sorted(p.stem for p in self.folder.glob("*.safetensors") if re.fullmatch(NAME, p.stem))

    def record(self, name: str) -> Record | None:
        """What was noted of a name; None if nothing, or nothing that can be read, is."""
        try:
            return Record(**json.loads(self.file(name, ".json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def note(self, name: str, source: str, url: str | None, sha256: str, size: int) -> None:
        """Keep what was taken for a name; CMT-606."""
        date = time.strftime("%Y-%m-%d", time.gmtime())
        told = asdict(Record(source, url, sha256, size, date))
        write_atomically(self.file(name, ".json"), json.dumps(told, indent=1).encode())

    def make(self) -> None:
        """Create the folder; CMT-656 if it cannot be."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.unusable("make", error) from None

    def sweep(self, name: str) -> None:
        """Delete what killed writes of a name left; for who holds its lock."""
        remove_leftovers(self.folder, [f"{name}{ending}" for ending in ENDINGS])

    def remove(self, name: str, *, forget: bool) -> int:
        """Delete a name's weights and unfinished download, with `forget` also what was noted; the bytes. CMT-656."""
        with self.locked(name):
            self.sweep(name)
            kept = (".lock",) if forget else (".lock", ".json")
            gone = [self.file(name, ending) for ending in ENDINGS if ending not in kept]
            count = sum(file.stat().st_size for file in gone if file.is_file())
            for file in gone:
                file.unlink(missing_ok=True)
        return count

    def dissolve(self) -> None:
        """Delete the folder, and the one it is in, if nothing is in them."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()
            self.folder.parent.rmdir()

    def known(self) -> list[str]:
        """Every name of which there is any file."""
        stems = {p.name.removesuffix(e) for e in ENDINGS for p in self.folder.glob(f"*{e}")}
        return sorted(stem for stem in stems if re.fullmatch(NAME, stem))

    @contextlib.contextmanager
    def locked(self, name: str, waiting: Callable[[], None] | None = None) -> Generator[None, None, None]:
        """Be the only process that changes a name's files; CMT-656 where that, or writing here, cannot be."""
        path = self.file(name, ".lock")
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(path, waiting))
            except OSError as error:
                raise self.unusable("write in", error) from None
            yield

    def unusable(self, what: str, error: OSError) -> CmtError:
        """CMT-656 for what the operating system refused."""
        return CmtError(
            "CMT-656",
            f"cannot {what} the folder {self.folder}: {error.strerror or error}",
            hint=f"another one: --cache DIR, or {VARIABLE}=DIR in the environment",
        )


def open_cache(given: Path | None = None) -> Cache:
    """The cache in `given`, else in CMT_CACHE, else in the user's cache directory; nothing is made yet."""
    base = cache_directory() if given is None else given.expanduser().absolute()
    if base is None:
        raise CmtError(
            "CMT-656", "there is no home directory for a cache", hint=f"{VARIABLE}=DIR in the environment"
        )
    return Cache(base / "weights")
