"""One of MindCV's files on its way to settings of ours; the table of keys is specs/imports/mindcv.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cmt_dsl.errors import Place, Problem, did_you_mean
from cmt_dsl.spec.edit import from_value
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import shipped
from cmt_dsl.spec.tree import Map, plain

WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
"""As its parser reads them."""


class Key(BaseModel):
    """What becomes of one key; see the table's head."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Any
    type: Literal["int", "float", "bool", "str", "pair", "list", "any"]
    to: str = ""
    values: dict[str, Any] | None = None
    only: list[Any] | None = None
    why: str = ""
    hint: str = ""
    unused: str = ""
    joined: str = Field(default="", alias="with")


@dataclass(frozen=True)
class Setting:
    """One field of our recipe: its dotted path, value, place in the file, and which key said so."""

    path: str
    value: Any
    place: Place
    source: str


@dataclass
class Imported:
    """A MindCV file as settings of ours, in the order of the table."""

    name: str
    settings: list[Setting] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)

    def tree(self) -> Map:
        """A recipe whose values stand where the file has them, so that later errors point there."""
        start = Place(self.name, 1, 1)
        data: dict[str, Any] = {}
        for setting in self.settings:
            *groups, last = steps(setting.path)
            at = data
            for group in groups:
                at = at.setdefault(group, {})
            at[last] = setting
        top = {"recipe": Path(self.name).stem or "imported", "pending": self.pending, "notes": self.notes}
        return _tree({**top, **data}, start)


def steps(path: str) -> list[str]:
    """The keys that a dotted path leads through; those of `model.set` are paths themselves."""
    if path.startswith("model.set."):
        return ["model", "set", path.removeprefix("model.set.")]
    return path.split(".")


def is_mindcv(tree: Map) -> bool:
    """Whether a mapping speaks MindCV's language: most keys are its own, and not only those that are also ours."""
    known = [key for key in tree.items if key in _table()[0]]
    return len(known) >= 3 and 2 * len(known) > len(tree.items)


@cache
def _table() -> tuple[dict[str, Key], dict[str, Any], dict[str, str]]:
    file = shipped() / "imports" / "mindcv.yaml"
    data = plain(read_file(file, "specs/imports/mindcv.yaml"))
    return {k: Key.model_validate(v) for k, v in data["keys"].items()}, data["fixed"], data["models"]


def _tree(data: Any, place: Place) -> Any:
    if isinstance(data, Setting):
        return from_value(data.value, data.place)
    if isinstance(data, dict):
        items = {key: _tree(value, place) for key, value in data.items()}
        return Map(items, {key: value.place for key, value in items.items()}, place)
    return from_value(data, place)


class Reading:
    """One file on its way to settings; problems are gathered. `values` are typed, defaults filled in."""

    def __init__(self, tree: Map):
        self.tree = tree
        self.keys, self.fixed, self.models = _table()
        self.done = Imported(tree.place.file)
        self.problems: list[Problem] = []
        self.values = {name: self._typed(name, key) for name, key in self.keys.items()}

    def all(self, groups: Sequence[Callable[[Reading], None]]) -> None:
        """Carry over every key, in the table's order; `groups` are those that mean something only together."""
        for name in self.tree.items:
            if name not in self.keys:
                place, hint = self.tree.keys[name], did_you_mean(name, list(self.keys))
                self.problems.append(Problem("CMT-110", f"MindCV has no key '{name}'", place, name, hint))
        for path, fixed in self.fixed.items():
            self._put(path, fixed["value"], source=fixed["source"])
        for name, key in self.keys.items():
            self._simple(name, key)
        for group in groups:
            group(self)
        unused = [f"{n} ({k.unused})" for n, k in self.keys.items() if k.unused and self.given(n)]
        if unused:
            self.done.notes.append("without effect: " + ", ".join(unused))

    def given(self, name: str) -> bool:
        """Whether the file has the key."""
        return name in self.tree.items

    def refuse(self, name: str, message: str, hint: str = "") -> None:
        """The value of `name` is known, but not carried out: CMT-810."""
        shown = _shown(self.values[name])
        what = f"{name} {shown}" if self.given(name) else f"{name} is not given, which means {shown}"
        place = self.tree.items[name].place if self.given(name) else self.tree.place
        text = (
            f"{what} is not carried out: {message}"
            if self.given(name)
            else f"{what}: not carried out: {message}"
        )
        self.problems.append(Problem("CMT-810", text, place, name, hint))

    def put(self, path: str, value: Any, *names: str) -> None:
        """`value` comes from the keys `names`, the first of which is to blame for it."""
        place = next((self.tree.items[n].place for n in names if self.given(n)), self.tree.place)
        told = [n if self.given(n) else f"{n}: MindCV's default" for n in names]
        self.done.settings.append(Setting(path, value, place, ", ".join(told)))

    def _put(self, path: str, value: Any, *, source: str) -> None:
        self.done.settings.append(Setting(path, value, self.tree.place, source))

    def _simple(self, name: str, key: Key) -> None:
        value = self.values[name]
        if key.only is not None and not any(_same(value, one) for one in key.only):
            carried = " or ".join(_shown(one) for one in key.only)
            self.refuse(name, key.why, key.hint or f"carried out: {name}: {carried}")
        elif key.to and key.values is not None and value is not None:
            word = str(value).lower()
            if word not in key.values:
                known = ", ".join(key.values)
                self.refuse(name, key.why or f"this version knows {known}", key.hint)
            else:
                self.put(key.to, key.values[word], name)
        elif key.to and value is not None:
            self.put(key.to, value, name)

    def _typed(self, name: str, key: Key) -> Any:
        """The value as MindCV's parser would have it; the default after a problem."""
        if name not in self.tree.items:
            return key.default
        value = plain(self.tree.items[name])
        if value is None and key.default is None:
            return None
        found = _cast(value, key.type)
        if found is None:
            kind = {"pair": "two numbers", "list": "a list of numbers", "str": "a word"}.get(
                key.type, key.type
            )
            place = self.tree.items[name].place
            message = f"should be {kind}, not {_shown(value)}"
            self.problems.append(Problem("CMT-111", message, place, name))
            return key.default
        return found


def _cast(value: Any, kind: str) -> Any:
    """`value` as `kind`, or None if it is not one."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "bool":
        return value if isinstance(value, bool) else WORDS.get(str(value).lower())
    if kind == "int":
        return int(value) if number and value == int(value) else None
    if kind == "float":
        return float(value) if number else None
    if kind in ("pair", "list"):
        held: list[Any] = value if isinstance(value, list) else []
        numbers = isinstance(value, list) and all(isinstance(v, (int, float)) for v in held)
        return [float(v) for v in held] if numbers and (kind == "list" or len(held) == 2) else None
    if kind == "str":
        return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    return value


def _same(value: Any, other: Any) -> bool:
    return (
        value.lower() == other.lower()
        if isinstance(value, str) and isinstance(other, str)
        else value == other
    )


def _shown(value: Any) -> str:
    words: Mapping[Any, str] = {True: "True", False: "False", None: "None"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)
