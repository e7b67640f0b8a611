"""Model files to `Model`: extends, set, stage defaults, profile and blocks carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError, Place, Problem, SpecError
from cmt_dsl.spec.check import check
from cmt_dsl.spec.edit import from_value, less, parse_override, pointed, with_stage_defaults
from cmt_dsl.spec.extend import Edit, Source, apply, extended, mapping, read_source
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import find, shown
from cmt_dsl.spec.library import Library, blocks_tree
from cmt_dsl.spec.model import Model
from cmt_dsl.spec.overridden import overridden_edits, overridden_keys, restating
from cmt_dsl.spec.schema import ModelSpec, ProfileSpec
from cmt_dsl.spec.tree import Leaf, Map, Tree, child, place_of, read_text

Sets = Mapping[str, Any]


def load_document(name: str, kind: str = "models") -> Map:
    """A YAML file (by path, or by the name of a shipped one) as a located tree."""
    path = find(name, kind)  # type: ignore[arg-type]
    return mapping(read_file(path, shown(path)))


@dataclass
class Reading:
    """What came of reading a model: the model where one could be made, and the problems met."""

    model: Model | None = None
    problems: list[Problem] = field(default_factory=list)
    restated: list[Problem] = field(default_factory=list)
    """Overrides that say what stands already (CMT-151): a mistake or not, by who asks."""
    overrides: tuple[Edit, ...] = ()
    without: Callable[[int], Model | None] = lambda _: None
    """The model that all overrides but one give, if they do."""


def read(spec: str | Path, *, set: Sets | None = None, overrides: tuple[str, ...] = ()) -> Reading:
    """Read and check a model; problems are gathered as far as sense can be made of the rest."""
    path = find(str(spec), "models")
    return _read(lambda found: read_source(path, found), set, overrides)


def read_model_text(
    text: str, name: str, *, set: Sets | None = None, overrides: tuple[str, ...] = ()
) -> Reading:
    """The same for a model given as text (such as a checkpoint's embedded spec)."""
    return _read(lambda found: extended(mapping(read_text(text, name)), None, (), found), set, overrides)


def _read(
    read_files: Callable[[list[Problem]], Source], sets: Sets | None, overrides: tuple[str, ...]
) -> Reading:
    reading = Reading()
    try:
        source = read_files(reading.problems)
        told = {problem.place for problem in reading.problems}
        lost = overridden_edits(source.tree, source.edits)
        reading.problems += [problem for problem in lost if problem.place not in told]
        if source.base is not None:
            reading.problems += overridden_keys(source)
        given = tuple(_edit(path, value) for path, value in (sets or {}).items())
        typed = reading.overrides = tuple(_typed(text) for text in overrides)
        below = apply(source.tree, given, reading.problems)
        reading.problems += overridden_edits(below, given, by_each_other=False)
        before = len(reading.problems)
        tree = apply(below, typed, reading.problems)
        if len(reading.problems) == before:
            reading.problems += overridden_edits(tree, typed)
        reading.model = _model(tree, source, reading.problems)
        reading.problems = [
            pointed(problem, {edit.place for edit in typed}, tree) for problem in reading.problems
        ]
        if typed and not reading.problems:
            reading.restated = [problem for _, problem in restating(below, typed)]

        def without(index: int) -> Model | None:
            found: list[Problem] = []
            rest = apply(below, typed[:index] + typed[index + 1 :], found)
            other = _model(rest, source, found)
            return None if found else other

        reading.without = without
    except CmtError as error:
        reading.problems.extend(error.problems)
    return reading


def _edit(path: str, value: Any) -> Edit:
    place = Place(f"set {path}", 0, 0)
    return Edit(path, from_value(value, place), place)


def _typed(text: str) -> Edit:
    path, value = parse_override(text)
    return Edit(path, value, value.place)


def _model(tree: Map, source: Source, found: list[Problem]) -> Model | None:
    path, lineage = source.path, source.lineage
    for word in ("block", "recipe"):
        if word in tree.items and "model" not in tree.items:
            message = f"this is a {word} file, not a model"
            raise CmtError("CMT-109", message, place=tree.keys[word])
    tree = with_stage_defaults(tree)
    spec = _spec(tree, found)
    try:
        profile = _profile(tree, lineage, path)
    except CmtError as error:
        found.extend(error.problems)
        return None
    if spec is None or profile is None:
        return None
    library = Library(profile, path)
    library.add_inline(spec.blocks, blocks_tree(tree))
    found.extend(library.load_all(uses(spec, tree)))
    return Model(spec, tree, library, lineage, source)


def _spec(tree: Map, found: list[Problem]) -> ModelSpec | None:
    """The checked spec; unknown keys alone do not keep the rest from being looked at."""
    try:
        return check(tree, ModelSpec)
    except SpecError as error:
        found.extend(error.problems)
        if any(p.code != "CMT-110" for p in error.problems):
            return None
        rest = less(tree, {p.place for p in error.problems if p.place})
    try:
        return check(rest, ModelSpec)
    except SpecError:
        return None


def _profile(tree: Map, lineage: tuple[str, ...], path: Path | None) -> ProfileSpec | None:
    node = child(tree, "profile")
    if isinstance(node, Map):
        return _of_variant(check(node, ProfileSpec, at="profile"), lineage)
    if not isinstance(node, Leaf) or not isinstance(node.value, str):
        return None
    file = find(node.value, "profiles", near=path, place=node.place, path="profile")
    found = read_file(file, shown(file), mention=(node.place, "profile"))
    return _of_variant(check(found, ProfileSpec), lineage)


def _of_variant(profile: ProfileSpec, lineage: tuple[str, ...]) -> ProfileSpec:
    """The profile with the values of a model and of those it descends from put in."""
    values = dict(profile.values)
    for name in reversed(lineage):
        values.update(profile.variants.get(name, {}))
    return profile.model_copy(update={"values": values, "variants": {}})


def uses(spec: ModelSpec, tree: Tree) -> Iterator[tuple[str, Place, str]]:
    """The blocks that a model names, with places and paths."""

    def use(name: str, *path: str | int) -> tuple[str, Place, str]:
        return name, place_of(tree, path), ".".join(map(str, path))

    if spec.stem:
        yield use(spec.stem.block, "stem", "block")
    for i, stage in enumerate(spec.stages):
        if stage.embed:
            yield use(stage.embed.block, "stages", i, "embed", "block")
        for j, entry in enumerate(stage.shared):
            for name, node in entry.items():
                if node.block:
                    yield use(node.block, "stages", i, "shared", j, name, "block")
        for name, _, _, where in stage.runs:
            yield use(name, "stages", i, *where[:-1], "block")
    if spec.head:
        yield use(spec.head.block, "head", "block")
