"""A published file becomes a checkpoint in the cache: the file seen before, exactly the model, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.checkpoint.convert import native_checkpoint
from runtime.checkpoint.file import save_checkpoint
from runtime.checkpoint.load import Imported, load_weights, restore
from runtime.checkpoint.verify import require_fit
from runtime.data.classes import class_names
from runtime.published.cache import Cache
from runtime.published.download import Patience, Tell, download, require_small
from runtime.published.listing import Published
from runtime.published.page import by_hand, looked_at
from runtime.published.part import Part

SLACK = 64 * 10**6
"""Bytes that a file may have beyond its share for the weights."""
SETS = 8
"""Copies of the weights that it may hold: averages, an optimiser's state, double precision."""


@dataclass(frozen=True)
class Taken:
    """What is in the cache under a name now."""

    file: Path
    source: str
    sha256: str
    bytes: int
    notes: tuple[str, ...] = ()
    already: bool = False

    def json(self) -> dict[str, Any]:
        return {"file": str(self.file), "from": self.source, "sha256": self.sha256, "bytes": self.bytes,
                "already": self.already, "notes": list(self.notes)}  # fmt: skip


def get(
    what: Published,
    cache: Cache,
    tell: Tell,
    *,
    given: Path | None = None,
    sha256: str | None = None,
    again: bool = False,
    patience: Patience | None = None,
) -> Taken:
    """Put published weights into the cache, from the network or from the file `given`; CMT-65x and those of reading.

    What is there and sound stays, unless `again`. One process at a time does this for a name; a second one waits and
    finds the result. `sha256` says which file is wanted where it is not the one that was seen before.
    """
    limit = most(what)  # its spec is read before anything is fetched
    cache.make()

    def waiting() -> None:
        tell("another process is fetching it: waiting", True)

    with cache.locked(what.name, waiting):
        cache.sweep(what.name)
        if not again and given is None and cache.has(what.name):
            there = _there(what, cache, tell)
            if there is not None:
                return there
        if given is not None:
            return _take(what, given, str(given), cache, sha256, tell)
        if what.entry.url is None:
            raise CmtError(
                "CMT-657",
                f"{what.name} is published on a page, not as a file: {what.entry.page}",
                hint=f"fetch it by hand, then cmt weights get {what.name} --from FILE",
            )
        part = Part(cache.file(what.name, ".part"))
        download(what.entry.url, part, limit, patience if patience is not None else Patience(), tell)
        try:
            taken = _take(what, part.path, what.entry.url, cache, sha256, tell)
        except CmtError as error:
            if error.code not in ("CMT-654", "CMT-606"):  # another digest may be accepted, a disk be emptied
                part.discard()
            raise
        part.discard()
        return taken


def most(what: Published) -> int:
    """Bytes that a file of this model's weights can have at most: what the list says, or a generous bound."""
    weights = 4 * sum(int(np.prod(info.shape)) for info in what.graph.params)
    return what.entry.bytes or SLACK + SETS * weights


def _there(what: Published, cache: Cache, tell: Tell) -> Taken | None:
    """What is in the cache, if every byte of it is as it was written and it is still that model; else None, and said."""
    file = cache.file(what.name)
    try:
        checkpoint, _, graph = restore(file)
    except CmtError as error:
        tell(f"what is in the cache cannot be used: {error.problems[0].message}", True)
        return None
    if graph.fingerprint != what.graph.fingerprint:
        tell("what is in the cache is of another model than the list says now", True)
        return None
    origin, notes = checkpoint.origin, []
    if what.entry.url and origin.get("url") != what.entry.url:
        notes.append(
            f"the list now gives another address: cmt weights get {what.name} --overwrite fetches it"
        )
    return Taken(
        file,
        str(origin.get("from")),
        str(origin.get("sha256")),
        int(origin.get("bytes", 0)),
        tuple(notes),
        already=True,
    )


def _take(what: Published, file: Path, shown: str, cache: Cache, sha256: str | None, tell: Tell) -> Taken:
    tell("checking", True)
    digest, count = _digest(what, file, shown)
    _same_file(what, shown, digest, count, cache, sha256)
    looked_at(file, shown, what.name)
    with _speaking_of(what, file, shown):
        found = _exactly(what, file)
    made = native_checkpoint(found)
    origin = {"by": "cmt weights get", "name": what.name, "from": shown, "url": what.entry.url,
              "sha256": digest, "bytes": count, "license": what.entry.license}  # fmt: skip
    classes, notes = _classes(what, made.classes)
    made = replace(made, classes=classes, origin={**made.origin, **origin})
    save_checkpoint(cache.file(what.name), made)
    cache.note(what.name, shown, what.entry.url, digest, count)
    return Taken(cache.file(what.name), shown, digest, count, (*_said(found), *notes))


def _classes(what: Published, own: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(class names: the file's own, else those of the data set that the list names; what a person should know)."""
    if own or what.entry.classes is None:
        return own, ()
    names = class_names(what.entry.classes)
    if names and len(names) == what.model.classes:
        return names, ()
    have = f"{len(names)} names" if names else "no names"
    return (), (
        f"its classes stay numbers: there are {have} of {what.entry.classes} for {what.model.classes}",
    )


def _exactly(what: Published, file: Path) -> Imported:
    """The file's weights, if they are those of the model in every name, shape and meaning, and finite; CMT-6xx."""
    found = load_weights(file, spec=what.spec, overrides=what.edits, which=what.entry.weights)
    own = found.checkpoint
    if own is not None and own.fingerprint != what.graph.fingerprint:
        raise CmtError("CMT-634", f"{file} is a checkpoint of another graph, though of the same shapes")
    require_fit(file, found.graph, native_checkpoint(found))
    return found


def _said(found: Imported) -> tuple[str, ...]:
    profile = found.model.profile.profile
    return (f"{found.source}: {found.model.name}, profile {profile}, {found.which} weights", *found.notes)


def _same_file(
    what: Published, shown: str, digest: str, count: int, cache: Cache, wanted: str | None
) -> None:
    """CMT-654 if this is not the file that was asked for, seen before or listed; CMT-655 for another size."""
    accept = f"if that is meant: cmt weights get {what.name} --sha256 {digest}"
    if wanted is not None:
        if not digest.startswith(wanted.lower()):
            raise CmtError("CMT-654", f"{shown} has sha256 {digest}, not {wanted}", hint=accept)
        return
    if what.entry.bytes not in (None, count):
        raise CmtError(
            "CMT-655",
            f"{shown} has {count:,} bytes, the list says {what.entry.bytes:,}",
            hint=by_hand(what.name),
        )
    if what.entry.sha256 and not digest.startswith(what.entry.sha256):
        raise CmtError(
            "CMT-654",
            f"{shown} is not the file that is listed: its sha256 is {digest}, listed is {what.entry.sha256}",
            hint=accept,
        )
    seen = cache.record(what.name)
    if seen is not None and seen.sha256 != digest and seen.url == what.entry.url:
        raise CmtError(
            "CMT-654",
            f"{shown} is not the file it was on {seen.date} (from {seen.source}): its sha256 is {digest}, "
            f"then it was {seen.sha256}",
            hint=accept,
        )


@contextlib.contextmanager
def _speaking_of(what: Published, file: Path, shown: str) -> Generator[None, None, None]:
    """Errors of reading `file` name where it is from, and what to do."""
    try:
        yield
    except CmtError as error:
        first = error.problems[0]
        raise CmtError(
            first.code,
            first.message.replace(str(file), shown),
            hint=f"{what.name} has to fit {what.entry.model} in every name and shape, so nothing was kept; "
            "another file: --from FILE",
        ) from None


def _digest(what: Published, file: Path, shown: str) -> tuple[str, int]:
    """(SHA-256, bytes) of a file; CMT-601, CMT-655."""
    total, count = hashlib.sha256(), 0
    try:
        with file.open("rb") as opened:
            while piece := opened.read(1 << 20):
                total.update(piece)
                count += len(piece)
                require_small(what.name, shown, count, most(what))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CmtError("CMT-601", f"cannot read {shown}: {why}") from None
    return total.hexdigest(), count
