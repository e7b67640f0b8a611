"""All that a step Cell carries from step to step besides the weights, as arrays by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.load import set_random_step
from cmt_dsl.lower.weights import write
from runtime.training.optim import state_parameters
from runtime.training.resume import Point


def take(step: Any) -> dict[str, np.ndarray]:
    """Copies of moments, counters and loss scale."""
    return {name: np.array(p.asnumpy(), copy=True) for name, p in _parameters(step).items()}


def put(point: Point, cell: Any, graph: Any, step: Any) -> None:
    """Weights, step state and random counters of `point`, strictly; CMT-604 if a name, shape or type differs."""
    import mindspore as ms

    write(cell, graph, point.checkpoint.arrays)
    parameters = _parameters(step)
    found = {name: (value.shape, value.dtype.type) for name, value in point.state.items()}
    if found != {name: (tuple(p.shape), ms.dtype_to_nptype(p.dtype)) for name, p in parameters.items()}:
        raise CmtError(
            "CMT-604",
            "the optimiser state does not fit this model's parameters",
            hint="it was written by another version of cmt-dsl; train again with another --out",
        )
    for name, parameter in parameters.items():
        parameter.set_data(ms.Tensor(point.state[name].copy()))
    set_random_step(cell, graph, point.step)


def _parameters(step: Any) -> dict[str, Any]:
    scale = {f"loss_{name}": getattr(step, name) for name in ("scale", "calm") if hasattr(step, name)}
    return {p.name: p for p in state_parameters(step.optimizer)} | scale
