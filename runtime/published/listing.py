"""The published weights that are known: those of the shipped list, and of lists of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cmt_dsl import Graph, Model, build, load
from cmt_dsl.errors import CmtError, Place, did_you_mean
from cmt_dsl.spec import check
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import shipped, shown
from cmt_dsl.spec.tree import Map, place_of
from runtime.published.schema import Entry, PublishedList

LISTS = "CMT_WEIGHTS_LIST"
"""Environment variable: files with lists of one's own, separated as in PATH."""
TYPES = "a list of weights starts with 'published: NAME' and has a key 'weights'"


@dataclass(frozen=True)
class Published:
    """An entry, and what follows from the list it stands in."""

    entry: Entry
    place: Place
    folder: Path
    top1: float | None
    """Percent, as published: the entry's own, or the list's result for that model and profile."""

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def spec(self) -> str:
        """Its model, as `load` takes it: a shipped name, or a file beside the list."""
        given = self.entry.model
        is_file = given.endswith((".yaml", ".yml")) or "/" in given
        return str(self.folder / given) if is_file else given

    @property
    def edits(self) -> tuple[str, ...]:
        """`path=value` texts that lead from that model to the published one."""
        edits = [f"{path}={json.dumps(value)}" for path, value in self.entry.set.items()]
        wanted = self.entry.profile
        if wanted is not None and load(self.spec).profile.profile != wanted:
            edits.append(f"profile={json.dumps(wanted)}")
        return tuple(edits)

    @cached_property
    def model(self) -> Model:
        """The model that the file has to fit; raises SpecError."""
        return load(self.spec, overrides=self.edits)

    @cached_property
    def graph(self) -> Graph:
        """Its graph."""
        return build(self.model)

    def json(self) -> dict[str, Any]:
        """What `cmt weights list --json` tells, but for the cache."""
        told = self.entry.model_dump(mode="json")
        return {**told, "top1": self.top1, "profile": self.entry.profile, "list": self.place.file}


def published(lists: Sequence[Path] = ()) -> dict[str, Published]:
    """By name, the shipped ones first; `lists` and those in CMT_WEIGHTS_LIST add to them.

    Raises CMT-101 to 112 with a place for a list that is not right, CMT-650 for a name that two lists give.
    """
    own = [Path(part) for part in os.environ.get(LISTS, "").split(os.pathsep) if part]
    found: dict[str, Published] = {}
    for file in dict.fromkeys([shipped() / "published.yaml", *own, *lists]):
        for each in _read(file):
            if each.name in found:
                raise CmtError(
                    "CMT-650",
                    f"'{each.name}' is listed already in {found[each.name].place}",
                    place=each.place,
                    hint=f"a name means one file: call this one {each.name.partition('@')[0]}@VARIANT",
                )
            found[each.name] = each
    return found


def find(name: str, lists: Sequence[Path] = ()) -> Published:
    """The entry called `name`; CMT-650 if there is none."""
    known = published(lists)
    if name not in known:
        near = did_you_mean(name, list(known))
        raise CmtError(
            "CMT-650",
            f"no published weights are known as '{name[:64]}'",
            hint=f"{near} " * bool(near) + "cmt weights list shows all",
        )
    return known[name]


def _read(file: Path) -> list[Published]:
    tree = read_file(file, shown(file))
    if not isinstance(tree, Map) or "published" not in tree.items:
        raise CmtError("CMT-109", f"{shown(file)} is no list of weights", place=tree.place, hint=TYPES)
    checked = check(tree, PublishedList)
    results = {(r.model, r.profile): r.top1 for r in checked.results}
    return [
        Published(
            entry,
            place_of(tree, ("weights", index, "name")),
            file.resolve().parent,
            entry.top1 if entry.top1 is not None else results.get((entry.model, entry.profile or "")),
        )
        for index, entry in enumerate(checked.weights)
    ]
