"""Data that an exported file keeps in another file: inside its own folder, whole, and nowhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath

from cmt_dsl.errors import CmtError
from runtime.deploy.files.form import shown

_HINT = "data of a file lies beside it, in its own folder; copy both, as files and not as links"


def require_beside(path: Path, location: str, offset: str | int = 0, length: str | int | None = None) -> Path:
    """The file `location` of the exported file `path`; CMT-859 where it leaves the folder, CMT-858 where bytes lack."""
    where = f"{path}: its data in '{shown(location)}'"
    parts = re.split(r"[/\\]", location)
    foreign = PureWindowsPath(location)
    if not location or "\0" in location or foreign.drive or foreign.root or ".." in parts:
        raise CmtError("CMT-859", f"{where} would lie outside of its folder", hint=_HINT)
    folder = Path(os.path.realpath(path.parent))
    target = Path(os.path.realpath(folder / location))
    if folder not in target.parents:
        raise CmtError("CMT-859", f"{where} is a link out of its folder", hint=_HINT)
    if not target.is_file():
        raise CmtError("CMT-858", f"{where} is not there", hint=_HINT)
    begin, size = _number(where, offset), target.stat().st_size
    end = size if length is None else begin + _number(where, length)
    if begin > size or end > size:
        raise CmtError(
            "CMT-858", f"{where} should reach to byte {end:,} and has {size:,}", hint="copy it anew"
        )
    return target


def _number(where: str, text: str | int) -> int:
    if isinstance(text, str) and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise CmtError("CMT-858", f"{where} begins or ends at {text[:30]!a}", hint="export it anew")
    if int(text) < 0:
        raise CmtError("CMT-858", f"{where} begins or ends at {int(text)}", hint="export it anew")
    return int(text)
