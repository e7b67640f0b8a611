"""Edits of located trees: merge, `set` by path, stage defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cmt_dsl.errors import CmtError, Place, Problem, did_you_mean
from cmt_dsl.spec.schema import MAX_STAGES
from cmt_dsl.spec.tree import Leaf, Map, Seq, Tree, child, plain, read_text


def merge(base: Tree, over: Tree) -> Tree:
    """`over` on top of `base`: mappings merge key by key, everything else is replaced."""
    if not (isinstance(base, Map) and isinstance(over, Map)):
        return over
    items = dict(base.items)
    for key, value in over.items.items():
        items[key] = merge(items[key], value) if key in items else value
    return Map(items, {**base.keys, **over.keys}, over.place)


def without(tree: Map, *names: str) -> Map:
    """The mapping less some keys."""
    items = {key: value for key, value in tree.items.items() if key not in names}
    return Map(items, tree.keys, tree.place)


def less(tree: Tree, places: set[Place]) -> Tree:
    """The tree without the entries whose keys stand at `places`."""
    if isinstance(tree, Map):
        kept = {k: less(v, places) for k, v in tree.items.items() if tree.keys.get(k) not in places}
        return Map(kept, tree.keys, tree.place)
    if isinstance(tree, Seq):
        return Seq(tuple(less(item, places) for item in tree.items), tree.place)
    return tree


def put(tree: Map, path: str, value: Tree, *, place: Place) -> Map:
    """`tree` with `value` at the dotted `path`; a null value removes. Raises CMT-135.

    Below `stages.N` a path may lead through what `stage_defaults` gives that stage.
    """
    parts = path.split(".")
    if not all(parts) or len(parts) > 32:
        raise CmtError("CMT-135", f"'{path}' is not a path", place=place, hint="e.g. stages.2.depth")
    defaults = child(tree, "stage_defaults") if parts[0] == "stages" else None
    changed = _Put(parts, value, place, defaults).at(tree, 0, None)
    assert isinstance(changed, Map)
    return changed


class _Put:
    """One edit on its way down the tree."""

    def __init__(self, parts: list[str], value: Tree, place: Place, defaults: Tree | None) -> None:
        self.parts, self.value, self.place, self.defaults = parts, value, place, defaults
        self.removes = isinstance(value, Leaf) and value.value is None

    def at(self, tree: Tree, depth: int, under: Tree | None) -> Tree:
        """`tree`, the thing `depth` parts down, edited; `under` are the defaults beneath it."""
        if depth == len(self.parts):
            return self.value
        if depth == 2:
            under = self.defaults
        part, last = self.parts[depth], depth == len(self.parts) - 1
        below, beneath = child(tree, part), child(under, part) if under else None
        if isinstance(tree, Map):
            return self._in_map(tree, part, last, below, beneath, depth)
        if not isinstance(tree, Seq):
            above = ".".join(self.parts[:depth])
            raise self._error(f"'{above}' is a single value: nothing lies below it")
        if below is None:
            hint = f"the list has the indices 0 to {len(tree.items) - 1}"
            raise self._error(f"there is no item '{part}'", hint)
        index = int(part)
        new = () if last and self.removes else (self.at(below, depth + 1, beneath),)
        return Seq((*tree.items[:index], *new, *tree.items[index + 1 :]), tree.place)

    def _in_map(
        self, tree: Map, part: str, last: bool, below: Tree | None, beneath: Tree | None, depth: int
    ) -> Tree:
        if below is None and beneath is None and (not last or self.removes):
            raise self._error(f"there is no '{part}' to set", did_you_mean(part, list(tree.items)))
        items = dict(tree.items)
        if last and self.removes and beneath is None:
            del items[part]
        else:
            here = below or (Map({}, {}, self.place) if isinstance(beneath, Map) else beneath)
            items[part] = self.value if last or here is None else self.at(here, depth + 1, beneath)
        keys = {**tree.keys, part: self.place} if last else tree.keys
        return Map(items, keys, tree.place)

    def _error(self, message: str, hint: str = "") -> CmtError:
        return CmtError("CMT-135", message, place=self.place, path=".".join(self.parts), hint=hint)


def pointed(problem: Problem, places: set[Place], tree: Tree) -> Problem:
    """A problem of an edit that stands at one of `places`, with the paths that end as its own does for a hint."""
    if problem.code not in ("CMT-110", "CMT-135") or problem.place not in places:
        return problem
    last = problem.path.rpartition(".")[2]
    found = [path for path in _paths(tree) if path.endswith("." + last)]
    misspelled = problem.code == "CMT-135" and problem.hint.startswith("did you mean")
    if misspelled or not found:
        return problem
    return replace(problem, hint=either(found))


def either(paths: Sequence[str]) -> str:
    """A hint that names some of the paths somebody may have meant."""
    some, more = list(paths[:3]), " …" if len(paths) > 3 else ""
    return f"did you mean {' or '.join(some)}{more}?"


def _paths(tree: Tree, above: str = "") -> Iterator[str]:
    """Every key's dotted path."""
    items: Iterable[tuple[str | int, Tree]] = ()
    if isinstance(tree, Map):
        items = tree.items.items()
    elif isinstance(tree, Seq):
        items = enumerate(tree.items)
    for key, value in items:
        yield f"{above}{key}"
        yield from _paths(value, f"{above}{key}.")


def from_value(value: Any, place: Place) -> Tree:
    """A located tree from plain data, all of it at one place."""
    if isinstance(value, Mapping):
        items = {str(k): from_value(v, place) for k, v in value.items()}  # pyright: ignore
        return Map(items, dict.fromkeys(items, place), place)
    if isinstance(value, (list, tuple)):
        return Seq(tuple(from_value(v, place) for v in value), place)  # pyright: ignore
    return Leaf(value, place)


def parse_override(text: str) -> tuple[str, Tree]:
    """`path=value` from the command line; the value is YAML. Raises CMT-135 or 103."""
    shown = f"--set {text}"
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        hint = "write --set stages.2.depth=20"
        raise CmtError("CMT-135", f"'{text}' is not path=value", place=Place(shown, 0, 0), hint=hint)
    return path.strip(), from_value(plain(read_text(value, shown)), Place(shown, 0, 0))


def with_stage_defaults(tree: Map) -> Map:
    """Each stage with `stage_defaults` underneath; the key itself goes."""
    defaults, stages = tree.items.get("stage_defaults"), tree.items.get("stages")
    if not isinstance(defaults, Map) or not isinstance(stages, Seq):
        return tree
    if len(stages.items) > MAX_STAGES:  # the schema says so; copies of the defaults would only multiply
        return without(tree, "stage_defaults")
    merged = Seq(tuple(_stage(defaults, stage) for stage in stages.items), stages.place)
    rest = without(tree, "stage_defaults")
    return Map({**rest.items, "stages": merged}, rest.keys, rest.place)


def _stage(defaults: Map, stage: Tree) -> Tree:
    if not isinstance(stage, Map):
        return stage
    if "blocks" in stage.items:
        defaults = without(defaults, "block", "depth")
    return _without_nulls(merge(defaults, stage))


def _without_nulls(tree: Tree) -> Tree:
    """A null in a stage says that the stage does without what the defaults give."""
    if not isinstance(tree, Map):
        return tree
    gone = [k for k, v in tree.items.items() if isinstance(v, Leaf) and v.value is None]
    kept = without(tree, *gone)
    return Map({k: _without_nulls(v) for k, v in kept.items.items()}, kept.keys, kept.place)
