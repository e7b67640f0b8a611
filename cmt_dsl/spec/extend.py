"""A model file with what it extends beneath it and its `set:` carried out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cmt_dsl.errors import CmtError, Place, Problem
from cmt_dsl.spec.edit import merge, put, without
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import find, shown
from cmt_dsl.spec.tree import Leaf, Map, Tree, child

MAX_CHAIN = 16
_START = "a model file starts with 'model: NAME'"


@dataclass(frozen=True)
class Edit:
    """One change by path: of `set:`, of `--set`, or of a program."""

    path: str
    value: Tree
    place: Place

    @property
    def removes(self) -> bool:
        """Whether it takes something away."""
        return isinstance(self.value, Leaf) and self.value.value is None


@dataclass(frozen=True)
class Source:
    """What files say of a model, before `--set` and `stage_defaults`."""

    tree: Map
    path: Path | None
    lineage: tuple[str, ...]
    """Names of the model and of those it descends from."""
    own: Map
    """The keys of the file that was asked for, without `extends` and `set`."""
    base: Map | None
    """What the file extends."""
    edits: tuple[Edit, ...]
    """Its `set:`."""

    @property
    def file(self) -> str:
        """How messages call the file that was asked for."""
        return self.own.place.file


def mapping(tree: Tree) -> Map:
    """The tree of a document; CMT-109 for a list or a single value."""
    if not isinstance(tree, Map):
        raise CmtError("CMT-109", "a spec is a mapping of keys to values", place=tree.place, hint=_START)
    return tree


def apply(tree: Map, edits: tuple[Edit, ...], found: list[Problem]) -> Map:
    """The edits in order; those that have no place to go are problems."""
    for edit in edits:
        try:
            tree = put(tree, edit.path, edit.value, place=edit.place)
        except CmtError as error:
            found.extend(error.problems)
    return tree


def read_source(path: Path, found: list[Problem]) -> Source:
    """Read a model file and those it extends; raises CmtError, and gathers in `found` what it can read past."""
    return extended(mapping(read_file(path, shown(path))), path, (), found)


def extended(tree: Map, path: Path | None, chain: tuple[Path, ...], found: list[Problem]) -> Source:
    """The tree on top of what it extends; `chain` are the files that led here."""
    own = child(tree, "model")
    lineage = (str(own.value),) if isinstance(own, Leaf) else ()
    base_name, edits = child(tree, "extends"), _edits(child(tree, "set"))
    tree = without(tree, "extends", "set")
    base: Source | None = None
    whole = tree
    if base_name is not None:
        base = _base(base_name, path, chain, found)
        merged = merge(base.tree, tree)
        assert isinstance(merged, Map)
        whole, lineage = merged, (*lineage, *base.lineage)
    whole = apply(whole, edits, found)
    return Source(whole, path, lineage, tree, base.tree if base else None, edits)


def _base(name: Tree, path: Path | None, chain: tuple[Path, ...], found: list[Problem]) -> Source:
    if not isinstance(name, Leaf) or not isinstance(name.value, str):
        raise CmtError(
            "CMT-111", "should be the name or the path of a model", place=name.place, path="extends"
        )
    file = find(name.value, "models", near=path, place=name.place, path="extends")
    here = (*chain, path.resolve()) if path else chain
    if file.resolve() in here:
        loop = " → ".join([*(p.stem for p in here), file.stem])
        message = f"models extend each other: {loop}"
        raise CmtError("CMT-133", message, place=name.place, path="extends")
    if len(here) > MAX_CHAIN:
        message = f"more than {MAX_CHAIN} models extend each other"
        raise CmtError("CMT-133", message, place=name.place, path="extends")
    tree = read_file(file, shown(file), mention=(name.place, "extends"))
    return extended(mapping(tree), file, here, found)


def _edits(sets: Tree | None) -> tuple[Edit, ...]:
    if sets is None:
        return ()
    if not isinstance(sets, Map):
        raise CmtError("CMT-111", "should be a mapping of paths", place=sets.place, path="set")
    return tuple(_edit(path, value, sets.keys[path]) for path, value in sets.items.items())


def _edit(path: str, value: Tree, key: Place) -> Edit:
    """A null stands nowhere much: let the key be its place."""
    if isinstance(value, Leaf) and value.value is None:
        value = Leaf(None, key)
    return Edit(path, value, value.place)
