"""The reference executor: a graph's meaning in inference, one NumPy call an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Array, Graph, require_fit


def run(graph: Graph, weights: Mapping[str, Array], images: Array) -> Array:
    """Logits `[n, classes]` for images `[n, c, h, w]`; the dtype of the images is kept."""
    return run_all(graph, weights, images, [graph.output.path])[graph.output.path]


def run_all(
    graph: Graph, weights: Mapping[str, Array], images: Array, wanted: Sequence[str]
) -> dict[str, Array]:
    """The values of the `wanted` nodes, as far as they need computing. Raises CMT-402 and CMT-403."""
    require_fit(graph, weights)  # of the whole graph, whatever part is wanted
    nodes = graph.needed(wanted)
    expected = graph.input.type
    if images.ndim != 4 or images.shape[1:] != expected.sizes:
        message = f"the model takes {expected}, not {list(images.shape)}"
        raise CmtError("CMT-403", message, hint="images are [n, channels, height, width]")
    last = {path: node.path for node in nodes for path in node.inputs}
    values: dict[str, Array] = {graph.input.path: images}
    kept = set(wanted)
    for node in nodes[1:]:
        p = {p.name: weights[node.param_path(p)].astype(images.dtype, copy=False) for p in node.params}
        values[node.path] = node.op.numpy(p, *(values[path] for path in node.inputs))
        for path in dict.fromkeys(node.inputs):
            if last[path] == node.path and path not in kept:
                del values[path]
    return {path: values[path] for path in wanted}
