"""A Cell's parameters by path, out and in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cmt_dsl.ir import Array, Graph, require_fit
from cmt_dsl.lower.mindspore.names import canonical_names


def read(cell: Any, graph: Graph) -> dict[str, Array]:
    """A MindSpore cell's parameters by path, as copies."""
    parameters = cell.parameters_dict()
    return {
        path: np.array(parameters[name].asnumpy(), copy=True) for name, path in canonical_names(graph).items()
    }


def write(cell: Any, graph: Graph, weights: Mapping[str, Array]) -> None:
    """Put `weights` into a MindSpore cell, strictly: every one, in its shape, or CMT-402."""
    import mindspore

    require_fit(graph, weights)
    parameters = cell.parameters_dict()
    for name, path in canonical_names(graph).items():
        value = np.ascontiguousarray(weights[path], dtype=np.float32)
        parameters[name].set_data(mindspore.Tensor(value.copy()))
