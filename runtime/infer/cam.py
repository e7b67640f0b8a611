"""Class activation maps (Zhou et al. 2016): a logit as a sum over positions, exactly and without gradients.

Where a head ends in global average pooling and linear layers (dropout between them does nothing here), these are
one affine map (w, bias) of the pooled features, and the logit of class c is

    logit_c = bias_c + Σ_p heat_c(p),   heat_c(p) = w_c · x(p) / positions,

x(p) being the map that is pooled, at position p. So the heat says what each position added to the logit, not what
would have happened without it: by attention and convolutions x(p) has seen far more of the image than p.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cmt_dsl import Graph
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Node, Program, cut
from runtime.array import Array
from runtime.infer.backend import Backend, Precision, loaded


@dataclass(frozen=True)
class Tail:
    """How a head ends: the node whose map is pooled, and the linear layers after it, in order."""

    map: str
    layers: tuple[Node, ...]

    def affine(self, weights: Mapping[str, Array]) -> tuple[Array, Array]:
        """The layers as one: (weight [classes, c], bias [classes]), float64."""
        matrix = weights[f"{self.layers[0].path}.weight"].astype(np.float64)
        bias = _bias(self.layers[0], weights)
        for layer in self.layers[1:]:
            following = weights[f"{layer.path}.weight"].astype(np.float64)
            matrix, bias = following @ matrix, following @ bias + _bias(layer, weights)
        return matrix, bias


@dataclass(frozen=True)
class Answer:
    """Logits [n, classes] float64; `features` [n, c, h, w] is what the pooling reads, None without a `tail`."""

    logits: Array
    features: Array | None


def tail(graph: Graph) -> Tail:
    """The end of the head; CMT-834 if it is not pooling, then linear layers."""
    node, layers = graph.output, list[Node]()
    while node.op.passes_on or node.op.kind == "linear":
        layers += [node] if node.op.kind == "linear" else []
        node = graph.by_path[node.inputs[0]]
    if node.op.kind == "global_avg_pool" and layers:
        return Tail(node.inputs[0], tuple(reversed(layers)))
    raise CmtError(
        "CMT-834",
        f"{graph.name} has no class activation map: before its last linear layers stands {node.op.kind} "
        f"({node.path}), not global average pooling",
        path=node.path,
    )


def answerer(
    program: Program,
    by: Backend,
    *,
    precision: Precision = "float32",
    threads: int | None = None,
    batch: int | None = None,
    batches: int = 1,
) -> Callable[[Array], Answer]:
    """A function from images [n, c, h, w] to their answer; the other arguments are those of `Backend.load`.

    With a `tail`, the backend computes up to the pooled map, and this module the mean and the linear layers in
    float64, so that the heat and the logits are of one computation.
    """
    load = functools.partial(loaded, by, precision=precision, threads=threads, batch=batch, batches=batches)
    try:
        end = tail(program.graph)
    except CmtError:
        compute = load(program)
        return lambda images: Answer(compute(images)[0].astype(np.float64), None)
    compute = load(program.changed(cut(program.graph, [end.map]), program.weights))
    matrix, bias = end.affine(program.weights)

    def answer(images: Array) -> Answer:
        features = compute(images)[0]
        return Answer(features.mean(axis=(2, 3), dtype=np.float64) @ matrix.T + bias, features)

    return answer


def heat(features: Array, row: Array) -> Array:
    """What each position of one image's map [c, h, w] adds to the logit of the class with weights `row`: [h, w]."""
    return np.einsum("chw,c->hw", features.astype(np.float64), row) / features[0].size


def _bias(layer: Node, weights: Mapping[str, Array]) -> Array:
    if any(p.name == "bias" for p in layer.params):
        return weights[f"{layer.path}.bias"].astype(np.float64)
    return np.zeros(layer.type.sizes[0])
