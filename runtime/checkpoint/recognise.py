"""Whose weights these are: naming, model, profile and sizes, from names and shapes alone; strict, and said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_dsl import Graph, Model, build, load, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import depths
from cmt_dsl.lower.mindspore.names import canonical_names
from cmt_dsl.spec import names as names_of_kind
from cmt_dsl.weights.names import counter_names, foreign_names, own_path
from runtime.checkpoint.formats.beside import unwrapped, without_bookkeeping

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
NAMINGS = {
    "official": "the official PyTorch code",
    "mindcv": "MindCV",
    "own": "this project",
    "cell": "this project's Cells",
}
"""Who names parameters how."""


@dataclass(frozen=True)
class Recognised:
    """A model that the names and shapes fit exactly, and how."""

    naming: str
    model: Model
    graph: Graph
    names: dict[str, str]
    """Our path to the file's name."""
    counters: dict[str, str]
    notes: tuple[str, ...]
    missing: frozenset[str] = frozenset()
    """Paths of the classifier, where the file lacks exactly that."""


def names_of(graph: Graph, naming: str) -> dict[str, str]:
    """Path to name, for every parameter; CMT-402 for one that has none in that naming."""
    if naming == "own":
        return {info.path: info.path for info in graph.params}
    if naming == "cell":
        return {path: name for name, path in canonical_names(graph).items()}
    return foreign_names(graph, naming)


def counters_of(graph: Graph, naming: str) -> dict[str, str]:
    """The same for counters beside parameters."""
    return counter_names(graph, naming) if naming in ("official", "mindcv") else {}


def recognise(
    where: str,
    shapes: Shapes,
    *,
    spec: str | Path | None = None,
    overrides: Sequence[str] = (),
    first: Model | None = None,
    headless: bool = False,
) -> Recognised:
    """The shipped model (or `first`, or `spec` alone) that these tensors are exactly; CMT-633 or CMT-634 if none is.

    Bookkeeping is set aside, and first parts that all names share are taken off while nothing fits with them; both
    are said. With `headless` the file may lack exactly the classifier, whose paths are then in `missing`.
    """
    kept, aside = without_bookkeeping(shapes)
    best: _Fit | None = None
    taken = ""
    for prefix, names in unwrapped(kept):
        for fit in _candidates(names, spec, overrides, first):
            if best is None or fit.distance < best.distance:
                best, taken = fit, prefix
            if fit.exact or (headless and fit.headless):
                return _known(fit, prefix, aside, known=spec is not None or first is not None)
    if best is None or not best.shared:
        common = f", all below '{prefix.split('.')[0]}.'" if (prefix := list(unwrapped(kept))[-1][0]) else ""
        raise CmtError(
            "CMT-633",
            f"{where} holds tensors of no model that is known here ({', '.join(list(shapes)[:3])}, …{common})",
            hint="give the model: --spec SPEC; names are known of " + ", ".join(NAMINGS.values()),
        )
    differences = best.differences()
    more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
    off = f" without the prefix '{taken}'" if taken else ""
    hint = "the spec it was made from: --spec SPEC" if spec is None else "check --spec and --set"
    if best.headless:
        hint = "it lacks the classifier alone: cmt adapt FILE --classes N, or cmt train --init FILE, makes a new one"
    raise CmtError(
        "CMT-634",
        f"{where} is nearest to {best.model.name} in the names of {NAMINGS[best.naming]}{off}, but does not fit: "
        + "; ".join(differences[:5])
        + more,
        hint=hint,
    )


def _known(fit: _Fit, prefix: str, aside: str, *, known: bool) -> Recognised:
    notes = [f"took the prefix '{prefix}' off every name"] if prefix else []
    notes += [aside] if aside else []
    notes += [*fit.notes, *([] if known else _assumed(fit))]
    missing = {path for path, name in fit.names.items() if name in fit.missing}
    if missing:
        notes.append(f"the classifier {', '.join(sorted(missing))} is missing and starts anew")
    names = {path: prefix + name for path, name in fit.names.items() if path not in missing}
    counters = {path: prefix + name for path, name in fit.counters.items()}
    return Recognised(fit.naming, fit.model, fit.graph, names, counters, tuple(notes), frozenset(missing))


def _assumed(fit: _Fit) -> Iterator[str]:
    """What left no trace in names and shapes, and was therefore taken from the shipped spec."""
    profile, size = fit.model.profile.profile, fit.model.input
    if profile != fit.naming:
        yield f"profile {profile}, by its position bias alone: epsilons and GELU form leave no trace"
    if not any(node.op.kind == "parameter" for node in fit.graph.nodes):
        yield f"input {size.height}×{size.width}, the model's own: without a position bias the file cannot tell"


@dataclass
class _Fit:
    naming: str
    model: Model
    graph: Graph
    names: dict[str, str]
    counters: dict[str, str]
    shapes: Shapes
    notes: list[str]

    def __post_init__(self) -> None:
        self.expected = {self.names[info.path]: info.shape for info in self.graph.params}
        given = {n for n in self.shapes if n not in self.counters.values()}
        self.shared = given & set(self.expected)
        self.missing = [n for n in self.expected if n not in given]
        self.unexpected = [n for n in self.shapes if n in given and n not in self.expected]
        self.wrong = [n for n in self.expected if n in self.shared and self.shapes[n] != self.expected[n]]

    @property
    def distance(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.wrong)

    @property
    def exact(self) -> bool:
        return self.distance == 0

    @property
    def headless(self) -> bool:
        """Whether exactly the classifier's weights are missing."""
        return not self.wrong and self.headless_but_sizes

    @property
    def headless_but_sizes(self) -> bool:
        """Whether nothing but the classifier is missing, whatever the shapes of the rest."""
        last = {self.names[p.path] for p in self.graph.params if p.node == self.graph.output.path}
        return not self.unexpected and bool(last) and set(self.missing) == last

    def differences(self) -> list[str]:
        found = [f"missing {n}" for n in self.missing] + [f"unexpected {n[:80]}" for n in self.unexpected]
        return found + [f"{n} has shape {self.shapes[n]}, not {self.expected[n]}" for n in self.wrong]


def _candidates(
    shapes: Shapes, spec: str | Path | None, overrides: Sequence[str], first: Model | None
) -> Iterator[_Fit]:
    for naming in NAMINGS:
        foreign = naming in ("official", "mindcv")
        translated = [own_path(n, naming) or "" for n in shapes] if foreign else list(shapes)
        if not any(path.startswith("stages.") for path in translated):
            continue
        if spec is not None:
            fit = _fit(naming, load(spec, overrides=tuple(overrides)), shapes, [])
            yield from [fit] if fit else []
            continue
        if first is not None and (fit := _fit(naming, first, shapes, [])) is not None:
            yield fit
            yield from [] if fit.exact else _resized(fit, _again(first), {})
        for name in _of_depth(translated) or names_of_kind("models"):
            for profile in _profiles(naming):
                sets = {"profile": profile}
                fit = _fit(naming, load(name, set=sets), shapes, [])
                if fit is not None:
                    yield fit
                    yield from [] if fit.exact else _resized(fit, _shipped(name), sets)


def _again(model: Model) -> Callable[[dict[str, Any]], Model]:
    return lambda sets: load_text(model.resolved(), model.name, set=sets)


def _shipped(name: str) -> Callable[[dict[str, Any]], Model]:
    return lambda sets: load(name, set=sets)


def _of_depth(paths: Sequence[str]) -> list[str]:
    """Shipped models with as many blocks in each stage as these paths speak of."""
    wanted = depths(paths)
    found: list[str] = []
    for name in names_of_kind("models"):
        stages = [sum(run[1] for run in stage.runs) for stage in load(name).spec.stages]
        if dict(enumerate(stages)) == wanted:
            found.append(name)
    return found


def _profiles(naming: str) -> list[str]:
    return {"official": ["official", "mindcv"], "mindcv": ["mindcv", "official"]}.get(
        naming, ["official", "mindcv", "paper"]
    )


def _fit(naming: str, model: Model, shapes: Shapes, notes: list[str]) -> _Fit | None:
    try:
        graph = build(model)
        return _Fit(naming, model, graph, names_of(graph, naming), counters_of(graph, naming), shapes, notes)
    except CmtError:  # a size that the grid refuses, or a parameter without a name there: not this one
        return None


def _resized(fit: _Fit, made: Callable[[dict[str, Any]], Model], sets: dict[str, Any]) -> Iterator[_Fit]:
    """The same model with the classes, channels and square size that the tensors' shapes say."""
    sets, notes = dict(sets), list[str]()
    if fit.unexpected or (fit.missing and not fit.headless_but_sizes):
        return
    for path, theirs in fit.names.items():
        if theirs not in fit.wrong:
            continue
        node = fit.graph.by_path.get(path) or fit.graph.by_path[path.rpartition(".")[0]]
        shape, expected = fit.shapes[theirs], fit.expected[theirs]
        if node is fit.graph.output:
            sets["classes"] = shape[0]
        elif fit.graph.input.path in node.inputs and len(shape) == 4:
            sets["input.channels"] = shape[1]
        elif node.op.kind == "parameter" and len(shape) == 3:
            height = fit.graph.input.type.map()[1]
            side = height * math.sqrt(shape[1] / expected[1])
            if side != int(side):
                return
            sets["input.size"] = int(side)
        else:
            return
    for key, value in sets.items():
        if key == "classes" or key == "input.channels":
            notes.append(f"{key} {value}, from the shapes")
        elif key == "input.size":
            notes.append(f"{key} {value}, from the position bias (a square is taken for granted)")
    resized = _fit(fit.naming, made(sets), fit.shapes, notes)
    if resized is not None:
        yield resized
