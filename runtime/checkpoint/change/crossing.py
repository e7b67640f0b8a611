"""The same weights under another profile: what that changes, in words and in logits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from cmt_dsl import Graph, build, load_text, run
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import spelled
from runtime.array import Array, Arrays
from runtime.checkpoint.load import Imported


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
    model = load_text(weights.model.resolved(), weights.model.name, set={"profile": profile})
    graph = build(model)
    arrays, changes = _carried(weights, graph)
    changes += changed_attributes(weights.graph, graph)
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
    arrays, changes = dict[str, Array](), list[str]()
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


def changed_attributes(before: Graph, after: Graph) -> list[str]:
    """What operators with the same path compute otherwise, such as `batch_norm eps: 1e-05 → 0.001 (12 ×)`.

    Sizes are left out: they follow from the input, the classes and the shapes of the weights.
    """
    counts = Counter[str]()
    for node in after.nodes:
        old = before.by_path.get(node.path)
        if old is None or old.op.kind != node.op.kind or node.op.sized:
            continue
        for name, was, now in old.op.changes(node.op):
            if name != "out":
                counts[f"{node.op.kind} {name}: {_short(was)} → {_short(now)}"] += 1
    return [f"{change} ({count} ×)" for change, count in counts.items()]


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else spelled(value)
