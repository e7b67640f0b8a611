"""YAML text to a tree that remembers where each value stood.

The reader takes YAML's core: mappings, sequences, plain and quoted scalars, anchors. Scalars follow
YAML 1.2 (`1e-6` is a number, `no` is a word). Tags are refused, and size, depth and expanded
aliases are bounded, so reading a hostile file ends at once with a place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from cmt_dsl.errors import CmtError, Place
from cmt_dsl.spec.depth import MAX_DEPTH, depth_error, too_deep

MAX_BYTES = 1 << 20
MAX_VALUES = 50_000

_INT = re.compile(r"[-+]?[0-9]{1,30}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Leaf:
    """A scalar."""

    value: Scalar
    place: Place
    size: int = 1


@dataclass(frozen=True)
class Seq:
    """A sequence."""

    items: tuple[Tree, ...]
    place: Place
    size: int = 1


@dataclass(frozen=True)
class Map:
    """A mapping; `keys` holds the place of each key."""

    items: dict[str, Tree]
    keys: dict[str, Place]
    place: Place
    size: int = 1


Tree = Leaf | Seq | Map


def scalar(text: str) -> Scalar:
    """A plain scalar by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def plain(tree: Tree) -> Any:
    """The tree as ordinary dicts, lists and scalars."""
    if isinstance(tree, Map):
        return {key: plain(value) for key, value in tree.items.items()}
    if isinstance(tree, Seq):
        return [plain(item) for item in tree.items]
    return tree.value


def child(tree: Tree, key: str | int) -> Tree | None:
    """The value under a key or an index, or None."""
    if isinstance(tree, Map):
        return tree.items.get(str(key))
    if isinstance(tree, Seq) and str(key).isdecimal() and int(key) < len(tree.items):
        return tree.items[int(key)]
    return None


def place_of(tree: Tree, path: tuple[str | int, ...], *, key: bool = False) -> Place:
    """Where `path` stands: its value (or its key), or the nearest thing above it that exists."""
    for depth, part in enumerate(path):
        below = child(tree, part)
        if key and depth == len(path) - 1 and isinstance(tree, Map) and part in tree.keys:
            return tree.keys[str(part)]
        if below is None:
            break
        tree = below
    return tree.place


def read_text(text: str, shown: str) -> Tree:
    """Read one YAML document from `text`. Raises `CmtError` 102-109."""
    if len(text) > MAX_BYTES:
        raise CmtError("CMT-102", f"the text is longer than {MAX_BYTES:,}", place=Place(shown, 1, 1))
    composer = _Composer(shown)
    try:
        return composer.compose(_events(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(shown, mark.line + 1, mark.column + 1) if mark else Place(shown, 1, 1)
        if deep := too_deep(text, composer.last, len(composer.stack), place):
            raise depth_error(deep) from None
        what = (error.problem or error.context or "not understood").replace("\n", " ")
        raise CmtError("CMT-103", what, place=place, hint=_syntax_hint(text, place)) from None
    except yaml.YAMLError as error:
        what = str(getattr(error, "reason", "")) or str(error).splitlines()[0]
        at = getattr(error, "position", 0) or 0
        place = Place(shown, text.count("\n", 0, at) + 1, 1)
        raise CmtError("CMT-103", what, place=place) from None


def _syntax_hint(text: str, place: Place) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    if "\t" in line:
        return "indent with spaces: YAML forbids tabs"
    return "check the indentation, the brackets and the space after ':'"


def _events(text: str) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CLoader", yaml.Loader)
    parse: Any = yaml.parse  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return parse(text, Loader=loader)


class _Open:
    """A collection whose end has not come yet."""

    def __init__(self, place: Place, mapping: bool, anchor: str | None) -> None:
        self.place, self.mapping, self.anchor = place, mapping, anchor
        self.values: list[Tree] = []
        self.items: dict[str, Tree] = {}
        self.keys: dict[str, Place] = {}
        self.key: str | None = None
        self.size = 1


class _Composer:
    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.stack: list[_Open] = []
        self.anchors: dict[str, Tree] = {}
        self.root: Tree | None = None
        self.total = 0
        self.last = Place(shown, 1, 1)  # where the last event ended

    def compose(self, events: Iterator[yaml.Event]) -> Tree:
        for event in events:
            self._take(event)
        return self.root or Leaf(None, Place(self.shown, 1, 1))

    def _take(self, event: yaml.Event) -> None:
        marks: Any = (event.start_mark, event.end_mark)
        place, self.last = (Place(self.shown, mark.line + 1, mark.column + 1) for mark in marks)
        if getattr(event, "tag", None) not in (None, "!"):
            tag = str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")
            raise CmtError("CMT-104", f"the tag '{tag}' is refused", place=place, hint="write plain values")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(self.stack) >= MAX_DEPTH:
                raise depth_error(place)
            self.stack.append(_Open(place, isinstance(event, yaml.MappingStartEvent), event.anchor))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()
        elif isinstance(event, yaml.ScalarEvent):
            is_plain = bool(event.implicit[0]) and event.style in (None, "")
            value = scalar(event.value) if is_plain else event.value
            self._add(Leaf(value, place), event.value, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            target = self.anchors.get(str(event.anchor))
            if target is None:
                raise CmtError("CMT-103", f"no finished anchor '{event.anchor}'", place=place)
            self._add(target, None, None, place)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise CmtError("CMT-103", "a second document", place=place, hint="one spec a file")

    def _close(self) -> None:
        done = self.stack.pop()
        tree: Tree
        if done.mapping:
            tree = Map(done.items, done.keys, done.place, done.size)
        else:
            tree = Seq(tuple(done.values), done.place, done.size)
        self._add(tree, None, done.anchor)

    def _add(self, tree: Tree, text: str | None, anchor: str | None, at: Place | None = None) -> None:
        place = at or tree.place
        if anchor:
            self.anchors[anchor] = tree
        self.total += tree.size if at or isinstance(tree, Leaf) else 1
        if self.total > MAX_VALUES:
            hint = "an alias repeats a large value many times"
            raise CmtError("CMT-106", f"more than {MAX_VALUES:,} values", place=place, hint=hint)
        if not self.stack:
            self.root = tree
            return
        top = self.stack[-1]
        top.size += tree.size
        if not top.mapping:
            top.values.append(tree)
        elif top.key is None:
            self._open_key(top, tree, text, place)
        else:
            top.items[top.key] = tree
            top.key = None

    def _open_key(self, top: _Open, tree: Tree, text: str | None, place: Place) -> None:
        if text is None and isinstance(tree, Leaf):
            text = str(tree.value)
        if text is None:
            raise CmtError("CMT-103", "a key must be a word", place=place)
        if text == "<<":
            raise CmtError("CMT-103", "merge keys are not supported", place=place, hint="use extends")
        if text in top.items:
            first = top.keys[text]
            raise CmtError("CMT-107", f"'{text}' stands already in line {first.line}", place=place)
        top.key, top.keys[text] = text, place
