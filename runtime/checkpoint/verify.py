"""Whether weights fit a graph: every difference, by block, with the line of the spec that wants it otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cmt_dsl import build, load, load_text
from cmt_dsl.errors import CmtError, Place
from cmt_dsl.ir import Graph, Op, above, block_of, misfits, signature, spelled
from cmt_dsl.spec import Model
from runtime.array import Array
from runtime.checkpoint.causes import Cause, of_specs, of_weights
from runtime.checkpoint.file import AVERAGED, Checkpoint, load_checkpoint
from runtime.checkpoint.statistics import non_finite

Kind = Literal["missing", "unexpected", "shape", "dtype", "non-finite", "operator", "model"]
WORDS: dict[Kind, str] = {
    "missing": "missing",
    "unexpected": "unexpected",
    "shape": "of another shape",
    "dtype": "of another type",
    "non-finite": "with NaN or Inf",
    "operator": "computed otherwise",
    "model": "of another model",
}


@dataclass(frozen=True)
class Difference:
    """One parameter (or operator, or the model as a whole: path "") that is not as the spec wants it."""

    kind: Kind
    path: str
    message: str
    weights: str = "raw"
    """Of which weights: the raw ones, or the "ema" of them."""

    @property
    def name(self) -> str:
        """The path as it is told: `ema:` before that of an averaged weight."""
        return self.path if self.weights == "raw" else AVERAGED + self.path


@dataclass(frozen=True)
class Group:
    """The differences of one block, and the line of the spec where the block is used."""

    block: str
    place: Place | None
    differences: tuple[Difference, ...]

    @property
    def counts(self) -> dict[Kind, int]:
        return dict(Counter(d.kind for d in self.differences))

    @property
    def summary(self) -> str:
        return ", ".join(f"{count} {WORDS[kind]}" for kind, count in self.counts.items())

    def json(self) -> dict[str, Any]:
        return {
            "block": self.block,
            "file": self.place.file if self.place else None,
            "line": self.place.line if self.place else None,
            "column": self.place.column if self.place else None,
            "counts": self.counts,
            "differences": [vars(d) for d in self.differences],
        }


@dataclass(frozen=True)
class Verdict:
    """What `cmt verify` found; good if there are no groups."""

    model: str
    fingerprint: str
    tensors: int
    sets: tuple[str, ...]
    """Which weights were looked at: "raw", and "ema" if there are any."""
    groups: tuple[Group, ...]
    causes: tuple[Cause, ...]

    @property
    def good(self) -> bool:
        return not self.groups


def verify(path: str | Path, spec: str | None = None, overrides: Sequence[str] = ()) -> Verdict:
    """A checkpoint against its own spec, or against another; CMT-6xx if unreadable, CMT-1xx for the spec.

    With only `overrides` its own spec is edited. A parameter (averaged ones too) fits if it is there, in the graph's shape, float32,
    finite; the graph fits if every operator means what it meant in training.
    """
    checkpoint = load_checkpoint(path)
    own = load_text(checkpoint.spec_text, "<checkpoint>")
    if spec is not None:
        model = load(spec, overrides=overrides)
    elif overrides:
        model = load_text(checkpoint.spec_text, "<checkpoint>", overrides=tuple(overrides))
    else:
        model = own
    graph = build(model)
    found = list(_all(graph, checkpoint))
    if model is own:
        found += _own(checkpoint, graph, model)
        causes = of_weights(graph, model, {n: tuple(v.shape) for n, v in checkpoint.arrays.items()})
    else:
        found += _meaning(build(own), graph, {block_of(d.path) for d in found})
        causes = of_specs(own, model)
        if graph.fingerprint != checkpoint.fingerprint and not found:
            found.append(Difference("model", "", "the parameters fit, but the graphs differ"))
    return Verdict(
        model.name,
        graph.fingerprint,
        sum(map(len, checkpoint.sets.values())),
        tuple(checkpoint.sets),
        grouped(graph, model, found),
        tuple(causes) if found else (),
    )


def require_fit(path: str | Path, graph: Graph, checkpoint: Checkpoint) -> None:
    """CMT-604 unless each set of weights is exactly the graph's parameters, float32; CMT-610 unless it is finite."""
    found = list(_all(graph, checkpoint))
    wrong = [d for d in found if d.kind != "non-finite"]
    if not found:
        return
    listed = wrong or found
    shown = "; ".join(f"{d.name}: {d.message}" for d in listed[:3])
    more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
    what = "weights that do not fit its spec" if wrong else "weights that are not finite"
    raise CmtError(
        "CMT-604" if wrong else "CMT-610",
        f"{path} holds {what}: {shown}{more}",
        hint=f"cmt verify {path} lists them by block",
    )


def _all(graph: Graph, checkpoint: Checkpoint) -> Iterator[Difference]:
    for name, arrays in checkpoint.sets.items():
        yield from (replace(d, weights=name) for d in differences(graph, arrays))


def differences(graph: Graph, arrays: Mapping[str, Array]) -> Iterator[Difference]:
    """Every parameter that is missing, unexpected, of another shape or type, or not finite."""
    for one in misfits(graph, arrays):
        wanted = None if one.wanted is None else list(one.wanted)
        held = list(one.held) if isinstance(one.held, tuple) else one.held
        if one.kind == "missing":
            yield Difference("missing", one.path, f"{wanted} is not in the checkpoint")
        elif one.kind == "unexpected":
            yield Difference("unexpected", one.path, f"{held} is not in the spec")
        elif one.kind == "shape":
            yield Difference("shape", one.path, f"{held} in the checkpoint, {wanted} in the spec")
    for path in (info.path for info in graph.params if info.path in arrays):
        value = arrays[path]
        if value.dtype != np.float32:
            yield Difference("dtype", path, f"{value.dtype} in the checkpoint, should be float32")
        if count := non_finite(value):
            yield Difference("non-finite", path, f"{count} of {value.size} numbers are NaN or Inf")


def grouped(graph: Graph, model: Model, found: Sequence[Difference]) -> tuple[Group, ...]:
    """Differences by block, in the order of the graph; blocks that the graph lacks follow."""
    blocks: dict[str, list[Difference]] = {}
    for difference in found:
        blocks.setdefault(block_of(difference.path), []).append(difference)
    order = {block_of(node.path + "."): i for i, node in reversed(list(enumerate(graph.nodes)))}
    return tuple(
        Group(block, _place(graph, model, block), tuple(blocks[block]))
        for block in sorted(blocks, key=lambda b: order.get(b, len(order) + len(graph.nodes)))
    )


def _place(graph: Graph, model: Model, block: str) -> Place:
    """Where the block is used, or the nearest thing around it that the spec has."""
    places = {scope.path: scope.place for scope in graph.scopes}
    for path in (block, *above(block)):
        if path in places and (place := places[path]):
            return place
        if path in graph.by_path and (place := graph.by_path[path].place):
            return place
    return model.place(*(int(word) if word.isdigit() else word for word in block.split(".") if word))


def _own(checkpoint: Checkpoint, graph: Graph, model: Model) -> Iterator[Difference]:
    """What the rest of the header says otherwise than the spec beside it."""
    if graph.fingerprint != checkpoint.fingerprint:
        yield Difference(
            "model",
            "",
            f"graph {checkpoint.fingerprint[:12]} was trained, the spec in it now builds {graph.fingerprint[:12]} "
            f"(written by cmt-dsl {checkpoint.versions.get('cmt-dsl')})",
        )
    if checkpoint.classes and len(checkpoint.classes) != model.classes:
        yield Difference(
            "model", "", f"{len(checkpoint.classes)} class names, {model.classes} classes in the spec"
        )


def _meaning(held: Graph, wanted: Graph, blamed: set[str]) -> Iterator[Difference]:
    """Operators that mean or read something else in the other graph, in blocks that are not in `blamed` already."""
    found = False
    for node in wanted.nodes[1:]:
        other = held.by_path.get(node.path)
        if block_of(node.path + ".") in blamed:
            continue
        if other is None:
            found = True
            yield Difference("operator", node.path, f"{node.op.kind} is not in the checkpoint's graph")
        elif signature(node.op) != signature(other.op):
            found = True
            yield Difference("operator", node.path, _changed(other.op, node.op))
        elif node.inputs != other.inputs and {*node.inputs, *other.inputs} <= {*held.by_path} & {
            *wanted.by_path
        }:
            found = True
            a, b = ", ".join(other.inputs), ", ".join(node.inputs)
            yield Difference("operator", node.path, f"reads {a} in the checkpoint, {b} in the spec")
    for node in held.nodes:
        if node.path not in wanted.by_path and block_of(node.path + ".") not in blamed:
            found = True
            yield Difference("operator", node.path, f"{node.op.kind} is not in the spec's graph")
    if held.input.type != wanted.input.type and not (found or blamed):
        yield Difference(
            "model", "", f"images {held.input.type} in the checkpoint, {wanted.input.type} in the spec"
        )


def _changed(held: Op, wanted: Op) -> str:
    if held.kind != wanted.kind:
        return f"{held.kind} in the checkpoint, {wanted.kind} in the spec"
    return ", ".join(
        f"{name} {spelled(was)} in the checkpoint, {spelled(now)} in the spec"
        for name, was, now in held.changes(wanted)
    )
