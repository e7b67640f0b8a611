"""Class activation maps (Zhou et al. 2016): a logit as a sum over positions, exactly and without gradients.

Where a head ends in global average pooling, dropout and one linear layer, the logit of class c is

    logit_c = bias_c + Σ_p heat_c(p),   heat_c(p) = w_c · x(p) / positions,

x(p) being the pooled map at position p. So the map says what each position added to the logit, not what would have
happened without it: by attention and convolutions x(p) has seen far more of the image than that position.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cmt_dsl import Graph
from cmt_dsl.errors import CmtError
from cmt_dsl.ir.graph import above
from runtime.checkpoint.compute import Arrays, computer

PASSED = ("dropout", "identity")
"""Operators that pass on what they get when nothing is trained."""


@dataclass(frozen=True)
class Tail:
    """How a head ends: the node whose map is pooled, and the linear layer after it."""

    map: str
    linear: str
    bias: bool


@dataclass(frozen=True)
class Answer:
    """Logits [n, classes] float64; `features` [n, c, h, w] is what the pooling reads, None where the head has no such tail."""

    logits: np.ndarray
    features: np.ndarray | None


def tail(graph: Graph) -> Tail:
    """The end of the head; CMT-834 if it is not pooling, then one linear layer."""
    node = graph.output
    while node.op.kind in PASSED:
        node = graph.by_path[node.inputs[0]]
    linear = node
    if linear.op.kind == "linear":
        node = graph.by_path[linear.inputs[0]]
        while node.op.kind in PASSED:
            node = graph.by_path[node.inputs[0]]
        if node.op.kind == "global_avg_pool":
            return Tail(node.inputs[0], linear.path, any(p.name == "bias" for p in linear.params))
    raise CmtError(
        "CMT-834",
        f"{graph.name} has no class activation map: its head does not end in pooling and one linear layer, "
        f"but in {node.op.kind} ({node.path})",
        path=node.path,
    )


def answerer(graph: Graph, weights: Arrays, backend: str) -> Callable[[np.ndarray], Answer]:
    """A function from images [n, c, h, w] to their answer.

    With a `tail`, the backend computes up to the pooled map, and this module the mean and the linear layer, so that the
    heat and the logits are of one computation.
    """
    try:
        end = tail(graph)
    except CmtError:
        compute = computer(graph, weights, (), backend)
        return lambda images: Answer(compute(images)[0].astype(np.float64), None)
    body = up_to_map(graph, end.map)
    compute = computer(body, {p.path: weights[p.path] for p in body.params}, (), backend)

    def answer(images: np.ndarray) -> Answer:
        features = compute(images)[0]
        logits = features.mean(axis=(2, 3), dtype=np.float64) @ weights[f"{end.linear}.weight"].T.astype(np.float64)
        return Answer(logits + weights[f"{end.linear}.bias"] if end.bias else logits, features)

    return answer


def up_to_map(graph: Graph, path: str) -> Graph:
    """The graph that ends with a node; the blocks it lies in end there too."""
    cut = graph.up_to([path])
    around = set(above(path))
    scopes = [s for s in graph.scopes if s in cut.scopes or s.path in around]
    kept = tuple(dataclasses.replace(s, output=path) if s.path in around else s for s in scopes)
    return dataclasses.replace(cut, scopes=kept)


def heat(graph: Graph, weights: Arrays, features: np.ndarray, target: int) -> np.ndarray:
    """[h, w] float64 of one image's map [c, h, w]: what each position adds to the logit of class `target`."""
    row = weights[f"{tail(graph).linear}.weight"][target].astype(np.float64)
    return np.einsum("chw,c->hw", features.astype(np.float64), row) / features[0].size
