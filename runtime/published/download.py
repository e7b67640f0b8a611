"""A file from the network, in parts if need be: resumed only where it is certain to be the same file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cmt_dsl.errors import CmtError
from runtime.atomic import write_atomically
from runtime.published.meter import Meter, size
from runtime.published.network import Passing, Refused, ask, said
from runtime.published.page import by_hand, looked_at, served_page

CHUNK = 1 << 18
GAIN = 1 << 16
"""Bytes that a try must bring for the tries to be counted anew."""
FLOOR = 1 << 10
"""Bytes a second below which a connection counts as stalled."""
Tell = Callable[[str, bool], None]
"""What is being done, and whether it is a new step rather than the same one further on."""


@dataclass(frozen=True)
class Patience:
    """How long to go on."""

    tries: int = 5
    stall: float = 30.0
    """Seconds."""
    wait: float = 1.0
    """Seconds before the second try, doubled for each further one."""


@dataclass(frozen=True)
class Started:
    """What a part is a part of."""

    url: str
    validator: str | None
    """ETag or date by which the server knows this very content; None: no part of it can be relied on."""
    total: int | None


def download(url: str, part: Path, limit: int, patience: Patience, tell: Tell) -> None:
    """Bring `url` into the file `part`, going on where an earlier call was stopped.

    CMT-652 if it cannot be had, 653 if what comes is no file of weights, 655 above `limit` bytes, 656 if the disk is
    full. After 652, 656 and any interruption the part stays.
    """
    tries = 0
    while True:
        before = _have(part)
        try:
            _once(url, part, limit, patience.stall, tell)
            return
        except Passing as error:
            tries = 1 if _have(part) - before >= GAIN else tries + 1
            if tries >= patience.tries:
                raise CmtError("CMT-652", f"{url}: {error} ({tries} tries)", hint=_again(part)) from None
            pause = min(patience.wait * 2 ** (tries - 1), 60.0) if error.wait is None else error.wait
            tell(f"{error}; trying again in {pause:.0f} s", True)
            time.sleep(pause)
        except Refused as error:
            raise CmtError("CMT-652", f"{url}: {error}", hint=by_hand(part.stem)) from None


def _once(url: str, part: Path, limit: int, stall: float, tell: Tell) -> None:
    started, have = _read_started(part, url), _have(part)
    headers = {}
    if started and started.validator and have:
        headers = {"Range": f"bytes={have}-", "If-Range": started.validator}
    answer = ask(url, headers, stall)
    with contextlib.closing(answer):
        if answer.status == 416:
            if started and have and started.total == have:
                return  # it was all there
            discard(part)
            raise Passing("the server has no such part of it", 0.0)
        _acceptable(url, answer, part.stem)
        if answer.status == 206 and not _goes_on(answer, started, have):
            discard(part)
            raise Passing("the server sends another part than asked for", 0.0)
        if answer.status == 200:
            if have:
                tell("starting over: the server sends the whole file, or the file has changed", True)
            have, started = 0, Started(url, _validator(answer), answer.length)
            discard(part)
            require_small(part.stem, url, started.total, limit)
            write_atomically(_beside(part), json.dumps(asdict(started)).encode())
        elif have:
            tell(f"going on from {size(have)}", True)
        assert started is not None
        _copy(url, answer, part, have, started.total, limit, stall, tell)


def _copy(
    url: str, answer: Any, part: Path, have: int, total: int | None, limit: int, stall: float, tell: Tell
) -> None:
    """The answer's bytes behind those that are there; Passing if they end early or stall."""
    meter, looked = Meter(have, total, stall, FLOOR), have > 0
    with _appending(part, total, have) as file:
        while total is None or have < total:
            try:
                piece = answer.read1(CHUNK if total is None else min(CHUNK, total - have))
            except (OSError, http.client.HTTPException) as error:
                raise Passing(said(error, stall)) from None
            if not piece:
                break
            _write(file, part, piece)
            have += len(piece)
            try:
                require_small(part.stem, url, have, limit)
                if not looked and (have >= 512 or have == total):
                    looked = True
                    looked_at(part, url, part.stem)
            except CmtError:
                discard(part)
                raise
            meter.moved(have)
            tell(meter.text(), False)
            if meter.stalled():
                raise Passing(f"it is down to {meter.rate:.0f} bytes a second")
    if total is not None and have < total:
        raise Passing(f"the connection ended after {size(have)} of {size(total)}")
    tell(meter.text(), False)


def _acceptable(url: str, answer: Any, name: str) -> None:
    """CMT-653 for a page, Refused for a compressed answer."""
    served_page(url, answer.headers.get("Content-Type", ""), name)
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise Refused(f"the server sends it compressed ({encoding[:20]}), though asked not to")


def _goes_on(answer: Any, started: Started | None, have: int) -> bool:
    """Whether a 206 is the rest of the very file whose first `have` bytes are there."""
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if started is None or told is None or int(told[1]) != have:
        return False
    if started.total is not None and told[3] != "*" and int(told[3]) != started.total:
        return False
    now = _validator(answer)
    return now is None or now == started.validator


def _validator(answer: Any) -> str | None:
    tag = answer.headers.get("ETag", "").strip()
    if tag:
        return None if tag.startswith("W/") else tag
    return answer.headers.get("Last-Modified")


def require_small(name: str, shown: str, count: int | None, limit: int) -> None:
    """CMT-655 if `count` bytes are more than `limit`."""
    if count is not None and count > limit:
        raise CmtError(
            "CMT-655",
            f"{shown} is larger than {size(limit)}, the most that this model's weights can be",
            hint=by_hand(name),
        )


def _appending(part: Path, total: int | None, have: int) -> BinaryIO:
    """The part, opened unbuffered behind its `have` bytes; CMT-656 if it cannot be, or `total` has no room."""
    try:
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - have > free:
            raise _full(part, f"{size(total - have)} are to come, {size(free)} are free")
        descriptor = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        return os.fdopen(descriptor, "ab", buffering=0)
    except OSError as error:
        raise _full(part, error.strerror or str(error)) from None


def _write(file: BinaryIO, part: Path, piece: bytes) -> None:
    try:
        while piece:
            piece = piece[file.write(piece) :]
    except OSError as error:
        raise _full(part, error.strerror or str(error)) from None


def _full(part: Path, why: str) -> CmtError:
    return CmtError(
        "CMT-656",
        f"cannot write {part}: {why}",
        hint="the same command goes on from there once there is room; another place: --cache DIR",
    )


def _read_started(part: Path, url: str) -> Started | None:
    """What was noted when the part was begun, if that was of this address."""
    try:
        started = Started(**json.loads(_beside(part).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return started if started.url == url else None


def discard(part: Path) -> None:
    """Delete a part and what was noted of it."""
    part.unlink(missing_ok=True)
    _beside(part).unlink(missing_ok=True)


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _have(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0


def _again(part: Path) -> str:
    have = _have(part)
    going = f"the same command goes on from {size(have)}; " if have else ""
    return f"{going}a proxy is taken from https_proxy; or {by_hand(part.stem)}"
