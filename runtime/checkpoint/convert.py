"""Weights from file to file: of the official code, MindCV and this project, strictly and without loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import Graph, Model, build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.lower.weights import check
from runtime.checkpoint.file import Checkpoint, save_checkpoint
from runtime.checkpoint.foreign import container, read_foreign
from runtime.checkpoint.recognise import NAMINGS, counters_of, names_of, recognise

Arrays = dict[str, np.ndarray]
COUNTERS = "converted_counters"
"""Key of a native file's metrics under which the source's counters are kept, for the way back."""
TARGETS = {
    "native": ".safetensors",
    "official": ".pth",
    "mindcv": ".ckpt",
    "ckpt": ".ckpt",
    "safetensors": ".safetensors",
}
"""What can be written, and how such files end."""


@dataclass(frozen=True)
class Imported:
    """A model with its weights by path, float32, and where they came from."""

    model: Model
    graph: Graph
    arrays: Arrays
    source: str
    """Such as 'pth of the official PyTorch code'."""
    notes: tuple[str, ...]
    counters: dict[str, int]
    checkpoint: Checkpoint | None = None


def load_weights(
    path: Path, *, spec: str | None = None, overrides: Sequence[str] = (), which: str | None = None
) -> Imported:
    """Read any file of weights that is known; CMT-601 to 605 and CMT-630 to 634."""
    if container(path) == "native":
        return _native(path, spec, overrides, which)
    found = read_foreign(path, which)
    shapes = {name: tuple(value.shape) for name, value in found.arrays.items()}
    known = recognise(str(path), shapes, spec=spec, overrides=overrides)
    arrays, notes = dict[str, np.ndarray](), [*found.notes, *known.notes]
    kinds = Counter[str]()
    for ours, theirs in known.names.items():
        value = found.arrays[theirs]
        if value.dtype.kind != "f":
            raise CmtError(
                "CMT-634", f"{path}: {theirs} holds {value.dtype.name}, weights are floating point"
            )
        kinds[value.dtype.name] += 1
        arrays[ours] = value.astype(np.float32, copy=False)
    notes += [f"{n} tensors of {kind} became float32" for kind, n in kinds.items() if kind != "float32"]
    counters = {p: int(found.arrays[n]) for p, n in known.counters.items() if n in found.arrays}
    source = f"{found.container} in the names of {NAMINGS[known.naming]}"
    return Imported(known.model, known.graph, arrays, source, tuple(notes), counters)


def _native(path: Path, spec: str | None, overrides: Sequence[str], which: str | None) -> Imported:
    from runtime.training.validate import restore

    if which is not None:
        raise CmtError("CMT-632", f"{path} holds one set of weights; '{which}' chooses among those of a .pth")
    checkpoint, model, graph = restore(path)
    if spec is not None or overrides:
        model = load(spec, overrides=tuple(overrides)) if spec else _edited(checkpoint.spec_text, overrides)
        graph = build(model)
    check(graph, checkpoint.arrays)
    counters = checkpoint.metrics.get(COUNTERS, {})
    return Imported(model, graph, checkpoint.arrays, "checkpoint of this project", (), counters, checkpoint)


def adapted(
    weights: Imported, edits: Sequence[str], *, allow_depth: bool = False, seed: int = 0
) -> tuple[Imported, tuple[str, ...]]:
    """The weights in the same model with `path=value` edits, and what was changed; CMT-640, CMT-641, SpecError."""
    from runtime.checkpoint.adapt import adapt

    model = _edited(weights.model.resolved(), edits)
    graph = build(model)
    arrays, notes = adapt(weights.arrays, weights.graph, graph, allow_depth=allow_depth, seed=seed)
    checkpoint = weights.checkpoint
    if checkpoint is not None:  # it is no longer what its run measured
        names = checkpoint.classes if model.classes == weights.model.classes else ()
        checkpoint = replace(checkpoint, classes=names, metrics={}, epoch=0, step=0)
    made = replace(weights, model=model, graph=graph, arrays=arrays, counters={}, checkpoint=checkpoint)
    return made, notes


def _edited(text: str, overrides: Sequence[str]) -> Model:
    from cmt_dsl.api import load_text
    from cmt_dsl.spec.edit import parse_override
    from cmt_dsl.spec.tree import plain

    sets: dict[str, Any] = {path: plain(value) for path, value in map(parse_override, overrides)}
    return load_text(text, "<checkpoint>", set=sets)


def write_weights(path: Path, weights: Imported, to: str, names: str = "official") -> int:
    """Write as one of TARGETS; the number of tensors. CMT-635 when the target means another profile, CMT-402, 606."""
    graph, arrays = weights.graph, weights.arrays
    profile = weights.model.profile.profile
    if to in ("official", "mindcv") and profile != to:
        raise CmtError(
            "CMT-635",
            f"the weights are of profile {profile}; a file of {NAMINGS[to]} computes with profile {to}",
            hint=f"--profile {to} converts, and says what changes",
        )
    if to == "native":
        save_checkpoint(path, _checkpoint(weights))
        return len(arrays)
    naming = {"ckpt": "cell", "safetensors": names}.get(to, to)
    named = {theirs: arrays[ours] for ours, theirs in names_of(graph, naming).items()}
    if to == "official":
        from runtime.checkpoint.torchwrite import write_torch

        for ours, theirs in counters_of(graph, naming).items():
            named[theirs] = np.array(weights.counters.get(ours, 0), np.int64)
        write_torch(path, named)
    elif to == "safetensors":
        from safetensors.numpy import save

        from runtime.atomic import write_atomically

        write_atomically(path, save({k: np.asarray(v, order="C") for k, v in named.items()}))
    else:
        from runtime.checkpoint.mindfile import write_mindspore

        write_mindspore(path, named)
    return len(named)


def _checkpoint(weights: Imported) -> Checkpoint:
    from runtime.run.directory import versions

    model, graph = weights.model, weights.graph
    text, print_ = model.resolved(), graph.fingerprint
    if weights.checkpoint is not None:
        same = weights.checkpoint.fingerprint == print_
        old = weights.checkpoint if same else replace(weights.checkpoint, metrics={})
        return replace(old, arrays=weights.arrays, spec_text=text, fingerprint=print_, versions=versions())
    metrics: dict[str, Any] = {COUNTERS: weights.counters} if weights.counters else {}
    return Checkpoint(
        weights.arrays,
        text,
        print_,
        (),
        {},
        metrics,
        epoch=0,
        step=0,
        source=weights.source,
        versions=versions(),
    )


@dataclass(frozen=True)
class Crossing:
    """What another profile changes: words, and the logits of one probe image before and after."""

    changes: tuple[str, ...]
    difference: float
    """Largest absolute difference of a logit."""
    largest: float
    """Largest absolute logit before."""
    same_top1: bool

    def text(self) -> str:
        """One line for people."""
        share = f"{self.difference / self.largest:.2%} of the largest" if self.largest else "all were zero"
        top = "the same" if self.same_top1 else "another"
        return f"on a probe image logits move by up to {self.difference:.3g} ({share}), {top} class first"


def to_profile(weights: Imported, profile: str) -> tuple[Imported, Crossing]:
    """The same weights in another profile, and what that changes. CMT-636 if they do not fit there."""
    from cmt_dsl import run
    from cmt_dsl.api import load_text

    model = load_text(weights.model.resolved(), weights.model.name, set={"profile": profile})
    graph = build(model)
    arrays, changes = _carried(weights, graph)
    changes += _changed_attributes(weights.graph, graph)
    size = weights.graph.input.type.sizes
    probe = np.random.default_rng(0).standard_normal((1, *size)).astype(np.float32)
    before, after = run(weights.graph, weights.arrays, probe), run(graph, arrays, probe)
    crossing = Crossing(
        tuple(changes),
        float(np.abs(before - after).max()),
        float(np.abs(before).max()),
        bool(before.argmax() == after.argmax()),
    )
    return replace(weights, model=model, graph=graph, arrays=arrays), crossing


def _carried(weights: Imported, graph: Graph) -> tuple[Arrays, list[str]]:
    """Arrays for `graph`: those that fit, zeros for a new additive parameter; the rest cannot be carried."""
    arrays, changes = dict[str, np.ndarray](), list[str]()
    wanted = {info.path: info for info in graph.params}
    for path, info in wanted.items():
        if path in weights.arrays and weights.arrays[path].shape == info.shape:
            arrays[path] = weights.arrays[path]
            continue
        readers = [node.op.kind for node in graph.nodes if info.node in node.inputs]
        if (
            path in weights.arrays
            or graph.by_path[info.node].op.kind != "parameter"
            or set(readers) != {"add"}
        ):
            state = f"has shape {weights.arrays[path].shape}" if path in weights.arrays else "is missing"
            raise CmtError(
                "CMT-636",
                f"these weights cannot be carried over: {path} {state}, the other profile wants {info.shape}",
                hint="the two profiles build networks of different shape",
            )
        arrays[path] = np.zeros(info.shape, np.float32)
        changes.append(f"{path} {list(info.shape)} starts as zeros, which adds nothing")
    for path in weights.arrays.keys() - wanted.keys():
        changes.append(f"{path} {list(weights.arrays[path].shape)} is dropped")
    return arrays, sorted(changes)


def _changed_attributes(before: Graph, after: Graph) -> list[str]:
    counts = Counter[str]()
    for node in after.nodes:
        old = before.by_path.get(node.path)
        if old is None or old.op.kind != node.op.kind:
            continue
        for name, value in vars(node.op).items():
            if getattr(old.op, name) != value:
                counts[f"{node.op.kind} {name}: {_short(getattr(old.op, name))} → {_short(value)}"] += 1
    return [f"{change} ({count} ×)" for change, count in counts.items()]


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def default_out(path: Path, to: str) -> Path:
    """FILE with the target's ending, made different from FILE itself."""
    out = path.with_suffix(TARGETS[to])
    return out if out != path else path.with_name(f"{path.stem}.{to}{TARGETS[to]}")
