"""Telling a web page, which many addresses give instead of the file, from a file of weights."""

from __future__ import annotations

import re
from pathlib import Path

from cmt_dsl.errors import CmtError


def by_hand(name: str) -> str:
    """What is left to do where an address does not give the file."""
    return f"save the file itself by hand, and give it: cmt weights get {name} --from FILE"


def served_page(shown: str, kind: str, name: str) -> None:
    """CMT-653 if a Content-Type says that it is a page."""
    kind = kind.partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise CmtError(
            "CMT-653", f"{shown} gives a web page ({kind}), not a file of weights", hint=by_hand(name)
        )


def looked_at(file: Path, shown: str, name: str) -> None:
    """CMT-653 if the file begins as a page, as another text of markup, or as a pointer of Git LFS does."""
    with file.open("rb") as opened:
        head = opened.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"version https://git-lfs"):
        raise CmtError(
            "CMT-653", f"{shown} is a pointer of Git LFS, not the file that it points to", hint=by_hand(name)
        )
    if re.match(rb"<[!?A-Za-z]", head):  # a .ckpt may begin with a line feed and a length that reads "<"
        line = head.splitlines()[0][:40].decode("ascii", "replace")
        raise CmtError(
            "CMT-653", f"{shown} is a page that begins {line!r}, not a file of weights", hint=by_hand(name)
        )
