"""A YAML file to a tree: bounded, UTF-8, and blamed on whoever names it where it cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmt_dsl.errors import CmtError, Place
from cmt_dsl.spec.tree import MAX_BYTES, Tree, read_text


def read_file(path: Path, shown: str, *, mention: tuple[Place, str] | None = None) -> Tree:
    """Read a YAML file; `shown` is how messages call it, `mention` the place and path that name it, if any does.

    Raises `CmtError` 101-109: at the mention where the file cannot be read, else inside it with the mention beside.
    """
    if mention is None:
        return _read(path, shown)
    try:
        return _read(path, shown)
    except CmtError as error:
        (problem,) = error.problems
        if problem.place in (None, Place(shown, 0, 0)):
            error.problems = (replace(problem, place=mention[0], path=mention[1]),)
        else:
            error.problems = (replace(problem, via=(mention,)),)
        raise


def _read(path: Path, shown: str) -> Tree:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CmtError(
                "CMT-102",
                f"the file has {path.stat().st_size:,} bytes; a spec may have {MAX_BYTES:,}",
                place=Place(shown, 1, 1),
            )
        with path.open("rb") as file:  # a device or a pipe says 0 and may never end
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig")
        place = Place(shown, before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise CmtError("CMT-108", message, place=place, hint="save it as UTF-8") from None
    except OSError as error:
        code = "CMT-101" if isinstance(error, FileNotFoundError) else "CMT-108"
        place = None if code == "CMT-101" else Place(shown, 0, 0)
        raise CmtError(code, f"cannot read {shown}: {error.strerror}", place=place) from None
    return read_text(text, shown)
