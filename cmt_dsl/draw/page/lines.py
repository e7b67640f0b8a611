"""The files behind a graph, and which of their lines each value covers."""

from __future__ import annotations

from collections.abc import Iterable

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
        for event in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):  # pyright: ignore
            if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                line = _last_line(text, event)
                self._last.setdefault(_at(event), line)
            elif isinstance(event, yaml.CollectionStartEvent):
                opened_at.append(_at(event))
            elif isinstance(event, yaml.CollectionEndEvent):
                if event.end_mark.index > event.start_mark.index:  # a closing bracket
                    line = event.end_mark.line + 1
                self._last[opened_at.pop()] = line


def _at(event: yaml.Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _last_line(text: str, event: yaml.Event) -> int:
    """A block scalar's end mark stands after its last line break."""
    mark = event.end_mark
    return max(mark.line + (mark.column > 0), event.start_mark.line + 1)
