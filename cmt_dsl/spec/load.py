"""Model files to `Model`: extends, set, stage defaults, profile and blocks carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError, Place, Problem, SpecError, did_you_mean
from cmt_dsl.spec.check import check
from cmt_dsl.spec.edit import from_value, less, merge, parse_override, put, with_stage_defaults, without
from cmt_dsl.spec.find import find, names, shown
from cmt_dsl.spec.library import Library, blocks_tree
from cmt_dsl.spec.schema import InputSpec, ModelSpec, ProfileSpec
from cmt_dsl.spec.tree import Leaf, Map, Tree, child, place_of, read_file, read_text

Sets = Mapping[str, Any]
_START = "a model file starts with 'model: NAME'"


@dataclass(frozen=True)
class Model:
    """A checked model: its spec, the text behind it, its profile's values and its blocks."""

    spec: ModelSpec
    tree: Tree
    library: Library = field(repr=False)
    lineage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.model

    @property
    def classes(self) -> int:
        """Number of classes, the length of the logits."""
        return self.spec.classes

    @property
    def input(self) -> InputSpec:
        """Channels, height and width of the image."""
        return self.spec.input

    @property
    def profile(self) -> ProfileSpec:
        """The profile, with this model's variant values put in."""
        return self.library.profile

    @property
    def profile_values(self) -> dict[str, Any]:
        """What `$profile.NAME` gives, for this model."""
        return dict(self.profile.values)

    def place(self, *path: str | int, key: bool = False) -> Place:
        """Where `path` stands in the model's text."""
        return place_of(self.tree, path, key=key)

    def resolved(self) -> str:
        """The whole model as one YAML text that needs no other file."""
        from cmt_dsl.spec.dump import dump

        return dump(self)


def load_document(name: str, kind: str = "models") -> Map:
    """A YAML file (by path, or by the name of a shipped one) as a located tree."""
    path = find(name, kind)  # type: ignore[arg-type]
    return _mapping(read_file(path, shown(path)))


@dataclass
class Reading:
    """What came of reading a model: the model where one could be made, and the problems met."""

    model: Model | None = None
    problems: list[Problem] = field(default_factory=list)


def read(spec: str | Path, *, set: Sets | None = None, overrides: tuple[str, ...] = ()) -> Reading:
    """Read and check a model; problems are gathered as far as sense can be made of the rest."""
    path = find(str(spec), "models")
    return _read(lambda found: _read_chain(path, (), found), set, overrides, path)


def read_model_text(
    text: str, name: str, *, set: Sets | None = None, overrides: tuple[str, ...] = ()
) -> Reading:
    """The same for a model given as text (such as a checkpoint's embedded spec)."""
    return _read(
        lambda found: _extended(_mapping(read_text(text, name)), None, (), found), set, overrides, None
    )


def _mapping(tree: Tree) -> Map:
    if not isinstance(tree, Map):
        raise CmtError("CMT-109", "a spec is a mapping of keys to values", place=tree.place, hint=_START)
    return tree


def _read(
    source: Callable[[list[Problem]], tuple[Map, tuple[str, ...]]],
    sets: Sets | None,
    overrides: tuple[str, ...],
    path: Path | None,
) -> Reading:
    reading = Reading()
    try:
        tree, lineage = source(reading.problems)
        edits = [(p, from_value(value, Place(f"set {p}", 0, 0))) for p, value in (sets or {}).items()]
        for text in overrides:
            edits.append(parse_override(text))
        tree = _apply(tree, edits, reading.problems)
        reading.model = _model(tree, lineage, path, reading.problems)
    except CmtError as error:
        reading.problems.extend(error.problems)
    return reading


def _apply(tree: Map, edits: list[tuple[str, Tree]], found: list[Problem]) -> Map:
    """The edits in order; those that have no place to go are problems."""
    for path, value in edits:
        try:
            tree = put(tree, path, value, place=value.place)
        except CmtError as error:
            found.extend(error.problems)
    return tree


def _read_chain(path: Path, chain: tuple[Path, ...], found: list[Problem]) -> tuple[Map, tuple[str, ...]]:
    tree = _mapping(read_file(path, shown(path)))
    return _extended(tree, path, chain, found)


def _extended(
    tree: Map, path: Path | None, chain: tuple[Path, ...], found: list[Problem]
) -> tuple[Map, tuple[str, ...]]:
    """The tree on top of what it extends, and the names of the models it descends from."""
    own = child(tree, "model")
    lineage = (str(own.value),) if isinstance(own, Leaf) else ()
    base_name, sets = child(tree, "extends"), child(tree, "set")
    edits: list[tuple[str, Tree]] = []
    if sets is not None:
        if not isinstance(sets, Map):
            raise CmtError("CMT-111", "should be a mapping of paths", place=sets.place, path="set")
        edits = [(key, _at_key(value, sets.keys[key])) for key, value in sets.items.items()]
    tree = without(tree, "extends", "set")
    if base_name is not None:
        if not isinstance(base_name, Leaf) or not isinstance(base_name.value, str):
            message = "should be the name or the path of a model"
            raise CmtError("CMT-111", message, place=base_name.place, path="extends")
        base_path = find(base_name.value, "models", near=path, place=base_name.place, path="extends")
        here = (*chain, path.resolve()) if path else chain
        if base_path.resolve() in here:
            loop = " → ".join([*(p.stem for p in here), base_path.stem])
            raise CmtError(
                "CMT-133", f"models extend each other: {loop}", place=base_name.place, path="extends"
            )
        if len(here) > 16:
            raise CmtError(
                "CMT-133", "more than 16 models extend each other", place=base_name.place, path="extends"
            )
        base, ancestors = _read_chain(base_path, here, found)
        merged = merge(base, tree)
        assert isinstance(merged, Map)
        tree, lineage = merged, (*lineage, *ancestors)
    return _apply(tree, edits, found), lineage


def _at_key(value: Tree, key: Place) -> Tree:
    """A null stands nowhere much: let the key be its place."""
    return Leaf(None, key) if isinstance(value, Leaf) and value.value is None else value


def _model(tree: Map, lineage: tuple[str, ...], path: Path | None, found: list[Problem]) -> Model | None:
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
    found.extend(library.load_all(_uses(spec, tree)))
    return Model(spec, tree, library, lineage)


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
    try:
        file = find(node.value, "profiles", near=path, place=node.place, path="profile")
    except CmtError as error:
        hint = did_you_mean(node.value, names("profiles"))
        problem = error.problems[0]
        raise SpecError([Problem("CMT-101", problem.message, node.place, "profile", hint)]) from None
    return _of_variant(check(read_file(file, shown(file)), ProfileSpec), lineage)


def _of_variant(profile: ProfileSpec, lineage: tuple[str, ...]) -> ProfileSpec:
    """The profile with the values of a model and of those it descends from put in."""
    values = dict(profile.values)
    for name in reversed(lineage):
        values.update(profile.variants.get(name, {}))
    return profile.model_copy(update={"values": values, "variants": {}})


def _uses(spec: ModelSpec, tree: Tree) -> Iterator[tuple[str, Place, str]]:
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
