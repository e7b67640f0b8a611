"""What is written and never reaches the model, because something else is written over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from cmt_dsl.errors import Place, Problem
from cmt_dsl.spec.edit import with_stage_defaults
from cmt_dsl.spec.extend import Edit, Source, apply
from cmt_dsl.spec.schema import MAX_STAGES
from cmt_dsl.spec.tree import Leaf, Map, Seq, Tree, child, place_of, plain

Steps = tuple[str | int, ...]
SHOWN = 4
"""How many places and edits a message names."""
TOLD = 100
"""How many values of one kind are told; nobody reads more, and each costs a look at every stage."""


def leaves(tree: Tree, path: Steps = ()) -> Iterator[tuple[Steps, Leaf]]:
    """Every single value of a tree with its path; an empty collection has none."""
    if isinstance(tree, Map):
        for key, value in tree.items.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, Seq):
        for index, item in enumerate(tree.items):
            yield from leaves(item, (*path, index))
    else:
        yield path, tree


def overridden_edits(tree: Map, edits: Iterable[Edit], *, by_each_other: bool = True) -> list[Problem]:
    """CMT-150 for each value of the edits that `tree`, in which they are carried out, does not hand to the model.

    Unless `by_each_other`, one that another edit replaces is none: a program may edit in steps.
    """
    values = [
        (((*edit.path.split("."), *below)), leaf) for edit in edits for below, leaf in leaves(edit.value)
    ]
    lost = _lost(tree, values)
    if not by_each_other:
        lost = [(path, leaf) for path, leaf in lost if place_of(tree, path) == leaf.place]
    return [_problem(tree, path, leaf) for path, leaf in lost]


def overridden_keys(source: Source) -> list[Problem]:
    """The same for the file's own keys: CMT-150 where it changes another model, else the warning CMT-160."""
    found = [_problem(source.tree, path, leaf) for path, leaf in _lost(source.tree, leaves(source.own))]
    if source.base is not None:
        return found
    return [Problem("CMT-160", p.message, p.place, p.path, p.hint, p.via, "warning") for p in found]


def restating(tree: Map, edits: tuple[Edit, ...]) -> Iterator[tuple[Edit, Problem]]:
    """The edits of `tree` that change nothing, each with CMT-151: what they say stands already."""
    done = _canonical(with_stage_defaults(apply(tree, edits, [])))
    for i, edit in enumerate(edits[:TOLD]):
        without = with_stage_defaults(apply(tree, (*edits[:i], *edits[i + 1 :]), []))
        if _canonical(without) != done:
            continue
        path = tuple(edit.path.split("."))
        place, value = place_of(without, path), _below(without, path)
        message, via = "it changes nothing", ((place, edit.path),)
        if edit.removes:
            message, via = "removing it changes nothing", ()
        elif value is not None and _canonical(value) == _canonical(edit.value):
            message = f"it is {_word(edit.value)} already"
        yield edit, Problem("CMT-151", message, edit.place, edit.path, "leave it out", via)


def _lost(tree: Map, values: Iterable[tuple[Steps, Leaf]]) -> list[tuple[Steps, Leaf]]:
    """The values that do not reach the model; none of a model that is refused for its size."""
    stages = child(tree, "stages")
    if isinstance(stages, Seq) and len(stages.items) > MAX_STAGES:
        return []
    reach = _reaching(with_stage_defaults(tree))
    lost = ((path, leaf) for path, leaf in values if leaf.value is not None and id(leaf) not in reach)
    return list(islice(lost, TOLD))


def _reaching(tree: Map) -> set[int]:
    """Identities of the values a model is made of: not those arguments of a stage that each of its runs gives anew."""
    return {id(leaf) for path, leaf in leaves(tree) if not _in_every_run(tree, path)}


def _in_every_run(tree: Map, path: Steps) -> bool:
    if len(path) < 4 or path[0] != "stages" or path[2] != "args":
        return False
    stage = _below(tree, path[:2])
    runs = child(stage, "blocks") if stage else None
    if not isinstance(stage, Map) or not isinstance(runs, Seq) or not runs.items:
        return False
    if any(
        f"args.{path[3]}" in str(leaf.value)
        for _, leaf in leaves(stage.items.get("shared", Seq((), stage.place)))
    ):
        return False
    return all(_below(run, ("args", path[3])) is not None for run in runs.items)


def _problem(tree: Map, path: Steps, leaf: Leaf) -> Problem:
    """CMT-150 for a value that stands at `path` of what was written and does not reach the model."""
    dotted = ".".join(map(str, path))
    stages = child(tree, "stages")
    if path[0] == "stage_defaults" and isinstance(stages, Seq):
        per_stage = [at for i, stage in enumerate(stages.items) for at in _over(stage, i, path[1:])]
        edits = [edit for i, stage in enumerate(stages.items) for edit in _instead(stage, i, path[1:])]
        who = "every stage has its own" if per_stage else "there is no stage"
        return Problem("CMT-150", who, leaf.place, dotted, _hint(edits, leaf), tuple(per_stage[:SHOWN]))
    if path[0] == "stages" and (runs := _below(tree, (*path[:2], "blocks"))) is not None:
        at = (place_of(runs, (0, *path[2:])), f"stages.{path[1]}.blocks.0.{'.'.join(map(str, path[2:]))}")
        return Problem("CMT-150", "every run of the stage has its own", leaf.place, dotted, "", (at,))
    place = place_of(tree, path)
    message = "a later edit takes its place" if place != leaf.place else "a later edit removes it"
    return Problem("CMT-150", message, leaf.place, dotted, "leave one of them out", ((place, dotted),))


def _over(stage: Tree, index: int, path: Steps) -> Iterator[tuple[Place, str]]:
    """Where a stage says something instead of the default at `path`: a value, or runs of its own."""
    at, steps = stage, [f"stages.{index}"]
    if path[0] in ("block", "depth") and (runs := child(stage, "blocks")):
        yield runs.place, f"stages.{index}.blocks"
        return
    for step in path:
        below = child(at, step)
        if below is None:
            runs = child(stage, "blocks")
            if runs and path[0] == "args":
                yield place_of(runs, (0, *path)), f"stages.{index}.blocks.0.{'.'.join(map(str, path))}"
            return
        at = below
        steps.append(str(step))
    yield at.place, ".".join(steps)


def _instead(stage: Tree, index: int, path: Steps) -> Iterator[str]:
    """Paths that would change the stage where the default at `path` does not."""
    runs = child(stage, "blocks")
    if not isinstance(runs, Seq):
        yield ".".join(map(str, ("stages", index, *path)))
        return
    for j, run in enumerate(runs.items):
        if path[0] != "args" or _below(run, path) is not None:
            yield ".".join(map(str, ("stages", index, "blocks", j, *path)))


def _hint(paths: list[str], leaf: Leaf) -> str:
    if not paths:
        return ""
    value, more = _word(leaf), ", …" if len(paths) > SHOWN else ""
    if leaf.place.line:  # in a file
        return "set: {" + ", ".join(f"{p}: {value}" for p in paths[:SHOWN]) + more + "}"
    return " ".join(f"--set {p}={value}" for p in paths[:SHOWN]) + more.replace(",", "")


def _below(tree: Tree, path: Steps) -> Tree | None:
    at: Tree | None = tree
    for step in path:
        at = child(at, step) if at is not None else None
    return at


def _word(tree: Tree) -> str:
    value = plain(tree)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _canonical(tree: Tree) -> str:
    """Equal for what means the same: `4` and `4.0`, keys in another order."""

    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return sorted((str(k), one(v)) for k, v in value.items())  # pyright: ignore
        if isinstance(value, list):
            return [one(item) for item in value]  # pyright: ignore
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    return repr(one(plain(tree)))
