"""All that a step Cell carries from step to step besides the weights and their average, as arrays by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.load import set_random_step
from cmt_dsl.lower.weights import write
from runtime.training.resume import Point


def take(step: Any) -> dict[str, np.ndarray]:
    """Copies of moments, counters, loss scale and gradients gathered so far."""
    return {name: np.array(p.asnumpy(), copy=True) for name, p in step.carried().items()}


def put(point: Point, cell: Any, graph: Any, step: Any) -> None:
    """Weights, step state and random counters of `point`, strictly; CMT-604 if a name or a shape differs."""
    import mindspore as ms

    write(cell, graph, point.checkpoint.arrays)
    parameters = step.carried()
    found = {name: value.shape for name, value in point.state.items()}
    if found != {name: tuple(p.shape) for name, p in parameters.items()}:
        raise CmtError(
            "CMT-604",
            "the optimiser state does not fit this model's parameters",
            hint="it was written by another version of cmt-dsl; train again with another --out",
        )
    for name, parameter in parameters.items():
        parameter.set_data(ms.Tensor(point.state[name].copy()))
    if step.average is not None:
        step.average.write(point.checkpoint.ema)
    set_random_step(cell, graph, point.step)
