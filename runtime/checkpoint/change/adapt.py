"""Weights of one model for another of the same kind: other classes, channels, resolution or, when allowed, depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cmt_dsl import Graph, build, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import ParamInfo, block_numbers, require_fit
from cmt_dsl.weights.initial import initial
from runtime.array import Array, Arrays
from runtime.checkpoint.change.crossing import changed_attributes
from runtime.checkpoint.change.resample import bicubic
from runtime.checkpoint.load import Imported


def adapt(
    arrays: Mapping[str, Array],
    graph_from: Graph,
    graph_to: Graph,
    *,
    allow_depth: bool = False,
    seed: int = 0,
) -> tuple[Arrays, tuple[str, ...]]:
    """Weights for `graph_to` by path, from those of `graph_from`, and a note on each thing that was changed.

    Every parameter is copied, or made by one of four rules: the classifier starts anew from `seed`; a first convolution
    of other channels keeps its response to grey images; a position bias is interpolated bicubically in its query
    and key grids; blocks are added (from `seed`) or left out at a stage's end. Anything else that differs is CMT-640;
    another depth without `allow_depth` is CMT-641. Operators that compute otherwise than those the weights were made for
    (another epsilon, another GELU) are no obstacle, but told.
    """
    require_fit(graph_from, arrays)
    notes = list(_depths(graph_from, graph_to, allow_depth))
    start = initial(graph_to, seed)
    blocks = [_blocks(graph) for graph in (graph_from, graph_to)]
    wanted = {info.path: info for info in graph_to.params}
    wrong = [
        f"{p} has no place"
        for p in arrays.keys() - wanted.keys()
        if block_numbers(p) not in blocks[0] - blocks[1]
    ]
    adapted: Arrays = {}
    for path, info in wanted.items():
        old = arrays.get(path)
        if old is not None and old.shape == info.shape:
            adapted[path] = old
        elif old is None:
            adapted[path] = start[path]
            if block_numbers(path) not in blocks[1] - blocks[0]:
                wrong.append(f"{path} is missing")
        else:
            found = _changed(old, info, graph_from, graph_to, start)
            if found is None:
                wrong.append(f"{path} has shape {old.shape}, not {info.shape}")
            else:
                adapted[path], note = found
                notes.append(note)
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise CmtError(
            "CMT-640",
            "the weights cannot be adapted: " + "; ".join(sorted(wrong)[:5]) + more,
            hint="classes, input channels, input size and, with --allow-depth, depth may differ; nothing else",
        )
    notes += changed_attributes(graph_from, graph_to)
    return adapted, tuple(dict.fromkeys(notes))


def adapted(
    weights: Imported, edits: Sequence[str], *, allow_depth: bool = False, seed: int = 0
) -> tuple[Imported, tuple[str, ...]]:
    """The weights in the same model with `path=value` edits, and what was changed; CMT-640, CMT-641, SpecError."""
    model = load_text(weights.model.resolved(), "<checkpoint>", overrides=edits, restated=[])
    graph = build(model)
    arrays, notes = adapt(weights.arrays, weights.graph, graph, allow_depth=allow_depth, seed=seed)
    checkpoint = weights.checkpoint
    if checkpoint is not None:  # it is no longer what its run measured
        names = checkpoint.classes if model.classes == weights.model.classes else ()
        checkpoint = replace(checkpoint, classes=names, metrics={}, epoch=0, step=0)
    made = replace(weights, model=model, graph=graph, arrays=arrays, counters={}, checkpoint=checkpoint)
    return made, notes


def _changed(
    old: Array, info: ParamInfo, graph_from: Graph, graph_to: Graph, start: Arrays
) -> tuple[Array, str] | None:
    """The array that takes the place of `old`, and why; None where no rule says how."""
    node, shape = graph_to.by_path[info.node], info.shape
    if node.path == graph_to.output.path == graph_from.output.path and old.shape[1:] == shape[1:]:
        return start[info.path], f"{node.path}: {old.shape[0]} → {shape[0]} classes, initialised anew"
    if graph_to.input.path in node.inputs and len(shape) == 4 and _but(old.shape, 1) == _but(shape, 1):
        value, how = _channels(old, shape[1])
        return value, f"{node.path}: {old.shape[1]} → {shape[1]} input channels, {how}"
    if node.op.kind == "parameter" and len(shape) == 3 and old.shape[0] == shape[0]:
        before, after = grids(graph_from, node.path), grids(graph_to, node.path)
        if before and after:
            text = " → ".join(f"{q[0]}×{q[1]} on {k[0]}×{k[1]}" for q, k in (before, after))
            return position_bias(old, before, after), f"{node.path}: interpolated, {text} tokens"
    return None


def _channels(weight: Array, count: int) -> tuple[Array, str]:
    """Kernels `[o, c, k, k]` for `count` channels whose sum over channels, hence the answer to grey, is kept."""
    have = weight.shape[1]
    if count == 1:
        return weight.sum(axis=1, keepdims=True), "summed"
    if count % have == 0:
        return np.tile(weight, (1, count // have, 1, 1)) * np.float32(have / count), "repeated and rescaled"
    mean = weight.sum(axis=1, keepdims=True) / np.float32(count)
    return np.repeat(mean, count, axis=1), "each the mean, rescaled"


Grid = tuple[int, int]


def grids(graph: Graph, path: str) -> tuple[Grid, Grid] | None:
    """(height, width) of the queries and of the keys whose scores the parameter at `path` is added to, if it is."""
    for node in graph.nodes:
        if node.op.kind != "add" or path not in node.inputs:
            continue
        for other in node.inputs:
            scores = graph.by_path[other]
            if scores.op.kind == "add":  # a second bias on top of the first
                scores = graph.by_path[scores.inputs[0]]
            sides = [graph.by_path[p] for p in scores.inputs]
            if scores.op.kind == "matmul" and all(side.op.kind == "split_heads" for side in sides):
                query, key = (graph.by_path[side.inputs[0]].type.map()[1:] for side in sides)
                return (query[0], query[1]), (key[0], key[1])
    return None


def position_bias(bias: Array, before: tuple[Grid, Grid], after: tuple[Grid, Grid]) -> Array:
    """`[heads, queries, keys]` on new grids, each given as ((height, width) of queries, of keys)."""
    (qh, qw), (kh, kw) = before
    value = bias.astype(np.float64).reshape(-1, qh, qw, kh, kw)
    for axis, (old, new) in enumerate(zip((qh, qw, kh, kw), (*after[0], *after[1]), strict=True), start=1):
        value = np.moveaxis(np.moveaxis(value, axis, -1) @ bicubic(old, new).T, -1, axis)
    return np.ascontiguousarray(value.reshape(len(bias), -1, after[1][0] * after[1][1]), dtype=np.float32)


def _depths(graph_from: Graph, graph_to: Graph, allowed: bool) -> Iterator[str]:
    before, after = _blocks(graph_from), _blocks(graph_to)
    for stage in sorted({stage for stage, _ in before ^ after}):
        old, new = (sum(s == stage for s, _ in blocks) for blocks in (before, after))
        if not allowed:
            raise CmtError(
                "CMT-641",
                f"stages.{stage} has {old} blocks, the new model {new}",
                hint="--allow-depth leaves out the last ones, or starts new ones from the seed",
            )
        yield f"stages.{stage}: {old} → {new} blocks, {'the last left out' if new < old else 'the new ones initialised'}"
    rates = [[n.op.rate for n in g.nodes if n.op.kind == "drop_path"] for g in (graph_from, graph_to)]  # type: ignore[attr-defined]
    if rates[0] != rates[1] and rates[1]:
        yield f"drop path recomputed: it rises to {max(rates[1]):g} over {len(after)} blocks"


def _blocks(graph: Graph) -> set[tuple[int, int]]:
    found = (block_numbers(scope.path) for scope in graph.scopes)
    return {numbers for numbers in found if numbers is not None}


def _but(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
