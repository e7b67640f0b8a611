"""The files behind a graph, and which of their lines each value covers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from cmt_dsl.errors import CmtError, Place
from cmt_dsl.spec.find import opened


def texts(places: Iterable[Place]) -> dict[str, str]:
    """The texts of the files that the places are in, by the name that messages give them.

    A place without a line (a `--set`) has no file, nor has a spec that came as text.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(place.file for place in places if place.line):
        path = opened(name)
        try:
            found[name] = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            continue
    return found


class Extents:
    """The last line of each value of a YAML text."""

    def __init__(self, text: str) -> None:
        self._last: dict[tuple[int, int], int] = {}
        try:
            self._read(text)
        except yaml.YAMLError as error:  # it was read a moment ago: the file has changed since
            raise CmtError("CMT-431", "a spec file changed while it was drawn", hint="try again") from error

    def last(self, place: Place) -> int:
        """The line on which the value at `place` ends."""
        return self._last.get((place.line, place.column), place.line)

    def _read(self, text: str) -> None:
        opened_at: list[tuple[int, int]] = []
        line = 1
        loader: Any = getattr(yaml, "CLoader", yaml.Loader)
        parse: Any = yaml.parse  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        for event in parse(text, Loader=loader):
            start, end = event.start_mark, event.end_mark
            at = start.line + 1, start.column + 1
            if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                # the end of a block scalar stands at the start of the line after it
                line = max(end.line + (end.column > 0), start.line + 1)
                self._last.setdefault(at, line)
            elif isinstance(event, yaml.CollectionStartEvent):
                opened_at.append(at)
            elif isinstance(event, yaml.CollectionEndEvent):
                if end.index > start.index:  # a closing bracket; the end of an indented part has no width
                    line = end.line + 1
                self._last[opened_at.pop()] = line
