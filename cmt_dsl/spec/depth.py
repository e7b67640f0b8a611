"""The bound of nesting: ours, whichever library counts first."""

from __future__ import annotations

import re

from cmt_dsl.errors import CmtError, Place

MAX_DEPTH = 32

_FLOW = re.compile(r"""(?<![^\s\[{,:])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\#[^\n]*)|[\[{\]}\n]""", re.DOTALL)
"""In flow style: quoted text and comments to be passed over, brackets, and ends of lines."""


def too_deep(text: str, start: Place, depth: int, end: Place) -> Place | None:
    """Where brackets after `start`, which lies `depth` levels deep, pass our own bound, if before `end`.

    A scanner reads brackets ahead of the events it gives, and stops at a bound of its own, of another number and
    wording in each version: which bound is met first must not be seen.
    """
    lines = text.split("\n")
    line, begin = start.line, sum(len(one) + 1 for one in lines[: start.line - 1])
    for found in _FLOW.finditer(text, begin + start.column - 1):
        sign = found.group()
        if sign == "\n":
            line, begin = line + 1, found.end()
        elif sign in "[{":
            place = Place(start.file, line, found.start() - begin + 1)
            if place > end:
                return None
            if depth >= MAX_DEPTH:
                return place
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif newlines := sign.count("\n"):
            line, begin = line + newlines, found.start() + sign.rindex("\n") + 1
    return None


def depth_error(place: Place) -> CmtError:
    """The refusal of a level too many."""
    return CmtError("CMT-105", f"more than {MAX_DEPTH} levels", place=place)
