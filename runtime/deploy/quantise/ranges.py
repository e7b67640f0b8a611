"""The ranges of activations: seen on calibration images, and cut where that costs less than it gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from runtime.array import Array

Method = Literal["minmax", "percentile", "entropy"]
"""All that was seen; all but one value in ten thousand; what keeps the distribution best (Kullback-Leibler)."""
METHODS: tuple[Method, ...] = get_args(Method)
SHARE = 0.9999
BINS, LEVELS, STEP = 2048, 128, 16
Compute = Callable[[Array], list[Array]]


def with_outputs(model: Any, names: Sequence[str]) -> Any:
    """A copy of a model that gives these tensors instead of its own outputs."""
    import onnx
    from onnx import TensorProto, helper

    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    del seen.graph.output[:]
    seen.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return seen


def ranges(
    compute: Compute, names: Sequence[str], images: Array, batch: int, method: Method = "minmax"
) -> dict[str, tuple[float, float]]:
    """Least and largest value of the tensors that `compute` gives in the order of `names`.

    Other methods than minmax go over the images a second time, counting; nothing is held but the counts.
    """
    parts = [images[at : at + batch] for at in range(0, len(images), batch)]
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for part in parts:
        for i, value in enumerate(compute(part)):
            low[i], high[i] = min(low[i], float(value.min())), max(high[i], float(value.max()))
    if method == "minmax":
        return dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    edges = [
        np.linspace(a, b if b > a else a + abs(a) + 1e-6, BINS + 1) for a, b in zip(low, high, strict=True)
    ]
    counts = [np.zeros(BINS, np.int64) for _ in names]
    for part in parts:
        for i, value in enumerate(compute(part)):
            counts[i] += np.histogram(value, BINS, (edges[i][0], edges[i][-1]))[0]
    cut = _percentile if method == "percentile" else _entropy
    return {name: cut(n, e) for name, n, e in zip(names, counts, edges, strict=True)}


def _percentile(counts: Array, edges: Array) -> tuple[float, float]:
    """Each end loses at most half of the share that may lie outside."""
    below = np.cumsum(counts) / counts.sum()
    rest = (1 - SHARE) / 2
    first = int(np.searchsorted(below, rest, side="right"))
    last = int(np.searchsorted(below, 1 - rest, side="left"))
    return float(edges[first]), float(edges[min(last, BINS - 1) + 1])


def _entropy(counts: Array, edges: Array) -> tuple[float, float]:
    """The upper end is drawn in, then the lower, as far as the rounded distribution tells the most of the true one."""
    steps = range(0, BINS - LEVELS, STEP)
    above = min((_lost(counts, 0, cut), cut) for cut in steps)[1]
    below = min((_lost(counts, cut, above), cut) for cut in steps if cut + above <= BINS - LEVELS)[1]
    return float(edges[below]), float(edges[BINS - above])


def _lost(counts: Array, below: int, above: int) -> float:
    """Kullback-Leibler divergence of the inner bins, outer ones added to their ends, from the same in few levels."""
    inner = counts[below : BINS - above].astype(np.float64)
    true = inner.copy()
    true[0] += counts[:below].sum()
    true[-1] += counts[BINS - above :].sum()
    level = np.arange(len(inner)) * LEVELS // len(inner)
    held = inner > 0
    mass = np.bincount(level, inner, LEVELS)
    filled = np.bincount(level, held, LEVELS)
    rounded = np.where(held, (mass / np.maximum(filled, 1))[level], 0.0)
    p, q = true / true.sum(), rounded / max(rounded.sum(), 1.0)
    some = p > 0
    return float((p[some] * np.log(p[some] / np.maximum(q[some], 1e-9))).sum())
