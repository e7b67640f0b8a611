"""A list of labels as a text: its encoding, its lines, and what separates their fields."""

from __future__ import annotations

import codecs
import csv
import io
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cmt_dsl.errors import CmtError, Place

DELIMITERS = "\t;,"
LOOKED_AT = 200
"""Lines by which the delimiter and the columns are found out."""


@dataclass(frozen=True)
class Row:
    """The fields of a line; with blanks between them there is one, the line."""

    line: int
    fields: tuple[str, ...]


def read_rows(path: Path, is_file: Callable[[str], bool], by_blanks: Callable[[str], bool]) -> list[Row]:
    """The rows of a list that are not empty, cut where most of them name an image (`is_file` of a field); CMT-508.

    A line that begins with an image's name and a blank (`by_blanks`) is cut by whoever knows the names.
    """
    text = read_text(path)
    whole = [Row(n, (line,)) for n, line in enumerate(re.split(r"\r\n|\r|\n", text), 1) if line.strip()]
    best, most = whole, sum(by_blanks(row.fields[0]) for row in whole[:LOOKED_AT])
    wrong: CmtError | None = None
    for delimiter in DELIMITERS[::-1]:
        if any(delimiter in row.fields[0] for row in whole[:LOOKED_AT]):
            rows, error = _cut(path, text, delimiter)
            hits = sum(any(map(is_file, row.fields)) for row in rows[:LOOKED_AT])
            if hits >= most:
                best, most, wrong = rows, hits, error
    if wrong is not None:
        raise wrong
    return best


def _cut(path: Path, text: str, delimiter: str) -> tuple[list[Row], CmtError | None]:
    """The rows, and what is wrong with the quotes after them."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    rows: list[Row] = []
    line = 1
    try:
        for fields in reader:
            if any(map(str.strip, fields)):
                rows.append(Row(line, tuple(map(str.strip, fields))))
            line = reader.line_num + 1
    except csv.Error as error:
        return rows, CmtError(
            "CMT-508", f"the quotes do not match: {error}", place=Place(str(path), line, 1),
            hint='a field is "quoted" as a whole, and a quote in it is doubled',
        )  # fmt: skip
    return rows, None


def read_text(path: Path) -> str:
    """UTF-8, or UTF-16 with its mark; CMT-508 with the command for other encodings."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CmtError("CMT-508", f"cannot read {path}: {error.strerror}") from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise _wrong(path, 1, "damaged UTF-16", "UTF-16") from None
    if b"\0" in data[:4096]:
        order = "LE" if data[1:2] == b"\0" else "BE"
        raise _wrong(path, 1, "UTF-16 without its mark, not UTF-8", f"UTF-16{order}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = data[error.start]
        raise _wrong(path, line, f"not UTF-8: it has the byte 0x{byte:02x}", "WINDOWS-1252") from None


def _wrong(path: Path, line: int, what: str, encoding: str) -> CmtError:
    name, to = shlex.quote(str(path)), shlex.quote(f"{path}.utf8")
    hint = f"iconv -f {encoding} -t UTF-8 {name} > {to} && mv {to} {name}"
    return CmtError("CMT-508", f"the list is {what}", place=Place(str(path), line, 1), hint=hint)
