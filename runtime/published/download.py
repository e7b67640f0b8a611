"""A file from the network, in parts if need be: gone on with only where it is certain to be the same file."""

from __future__ import annotations

import contextlib
import http.client
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.published.meter import Meter, size
from runtime.published.network import Passing, Refused, ask, said
from runtime.published.page import by_hand, looked_at, served_page
from runtime.published.part import Part, Started

CHUNK = 1 << 18
HEAD = 512
"""Bytes by which a page is told from a file."""
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


def download(url: str, part: Part, limit: int, patience: Patience, tell: Tell) -> None:
    """Bring `url` into `part`, going on where an earlier call was stopped.

    CMT-652 if it cannot be had, 653 if what comes is no file of weights, 655 above `limit` bytes, 656 if the disk is
    full. After 652, 656 and any interruption the part stays.
    """
    job, tries = _Job(url, part, limit, patience.stall, tell), 0
    while True:
        before = part.have
        try:
            job.once()
            return
        except Passing as error:
            tries = 1 if part.have - before >= GAIN else tries + 1
            if tries >= patience.tries:
                raise CmtError("CMT-652", f"{url}: {error} ({tries} tries)", hint=job.hint()) from None
            pause = min(patience.wait * 2 ** (tries - 1), 60.0) if error.wait is None else error.wait
            tell(f"{error}; trying again in {pause:.0f} s", True)
            time.sleep(pause)
        except Refused as error:
            raise CmtError("CMT-652", f"{url}: {error}", hint=by_hand(part.name)) from None


@dataclass(frozen=True)
class _Job:
    url: str
    part: Part
    limit: int
    stall: float
    tell: Tell

    def once(self) -> None:
        """One try: ask for what is missing, and copy it; raises Passing, Refused, CmtError."""
        started, have = self.part.started(self.url), self.part.have
        headers = {}
        if started and started.validator and have:
            headers = {"Range": f"bytes={have}-", "If-Range": started.validator}
        answer = ask(self.url, headers, self.stall)
        with contextlib.closing(answer):
            if answer.status == 416:
                if started and have and started.total == have:
                    return  # it was all there
                self.part.discard()
                raise Passing("the server has no such part of it", 0.0)
            self.acceptable(answer)
            if answer.status == 200:
                if have:
                    self.tell("starting over: the server sends the whole file, or it has changed", True)
                started = Started(self.url, _validator(answer), answer.length)
                require_small(self.part.name, self.url, started.total or 0, self.limit)
                self.part.begin(started)
            elif started is None or not _goes_on(answer, started, have):
                self.part.discard()
                raise Passing("the server sends another part than asked for", 0.0)
            elif have:
                self.tell(f"going on from {size(have)}", True)
            self.copy(answer, started.total)

    def copy(self, answer: Any, total: int | None) -> None:
        """The answer's bytes behind those that are there; Passing if they end early or stall."""
        have = self.part.have
        meter, looked = Meter(have, total, self.stall, FLOOR), have > 0
        with self.part.appending(total) as file:
            while total is None or have < total:
                piece = self.read(answer, CHUNK if total is None else min(CHUNK, total - have))
                if not piece:
                    break
                self.write(file, piece)
                have += len(piece)
                if have > self.limit or (not looked and (have >= HEAD or have == total)):
                    looked = True
                    self.look(have)
                meter.moved(have)
                self.tell(meter.text(), False)
                if meter.stalled():
                    raise Passing(f"it is down to {meter.rate:.0f} bytes a second")
        if total is not None and have < total:
            raise Passing(f"the connection ended after {size(have)} of {size(total)}")

    def read(self, answer: Any, count: int) -> bytes:
        try:
            return answer.read1(count)
        except (OSError, http.client.HTTPException) as error:
            raise Passing(said(error, self.stall)) from None

    def write(self, file: Any, piece: bytes) -> None:
        try:
            while piece:
                piece = piece[file.write(piece) :]
        except OSError as error:
            raise self.part.full(error.strerror or str(error)) from None

    def look(self, have: int) -> None:
        """CMT-653, CMT-655, after which nothing of it stays."""
        try:
            require_small(self.part.name, self.url, have, self.limit)
            looked_at(self.part.path, self.url, self.part.name)
        except CmtError:
            self.part.discard()
            raise

    def acceptable(self, answer: Any) -> None:
        """CMT-653 for a page, Refused for a compressed answer."""
        served_page(self.url, answer.headers.get("Content-Type", ""), self.part.name)
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", ""):
            raise Refused(f"the server sends it compressed ({encoding[:20]}), though asked not to")

    def hint(self) -> str:
        started, have = self.part.started(self.url), self.part.have
        going = started is not None and started.validator is not None and have > 0
        first = f"the same command goes on from {size(have)}; " if going else ""
        return f"{first}a proxy is taken from https_proxy; or {by_hand(self.part.name)}"


def _goes_on(answer: Any, started: Started, have: int) -> bool:
    """Whether a 206 is the rest of the very file whose first `have` bytes are there."""
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if told is None or int(told[1]) != have:
        return False
    if started.total is not None and told[3] != "*" and int(told[3]) != started.total:
        return False
    now = _validator(answer)
    return now is None or now == started.validator


def _validator(answer: Any) -> str | None:
    tag = answer.headers.get("ETag", "").strip()
    known = tag if tag else answer.headers.get("Last-Modified", "").strip()
    weak = tag.startswith("W/") or not (known.isascii() and known.isprintable())
    return None if weak or not known else known


def require_small(name: str, shown: str, count: int, limit: int) -> None:
    """CMT-655 if `count` bytes are more than `limit`."""
    if count > limit:
        raise CmtError(
            "CMT-655",
            f"{shown} is larger than {size(limit)}, the most that this model's weights can be",
            hint=by_hand(name),
        )
