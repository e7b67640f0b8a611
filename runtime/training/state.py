"""All that a step Cell carries from step to step besides the weights, as arrays by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.load import set_random_step, set_randomness
from cmt_dsl.lower.weights import read, write
from runtime.device.world import World
from runtime.training.optim import state_parameters
from runtime.training.resume import Point


def take(step: Any) -> dict[str, np.ndarray]:
    """Copies of moments, counters and loss scale."""
    return {name: np.array(p.asnumpy(), copy=True) for name, p in _parameters(step).items()}


def put(point: Point, cell: Any, graph: Any, step: Any) -> None:
    """Weights, step state and random counters of `point`, strictly; CMT-604 if a name or a shape differs."""
    import mindspore as ms

    write(cell, graph, point.checkpoint.arrays)
    parameters = _parameters(step)
    found = {name: value.shape for name, value in point.state.items()}
    if found != {name: tuple(p.shape) for name, p in parameters.items()}:
        raise CmtError(
            "CMT-604",
            "the optimiser state does not fit this model's parameters",
            hint="it was written by another version of cmt-dsl; train again with another --out",
        )
    for name, parameter in parameters.items():
        parameter.set_data(ms.Tensor(point.state[name].copy()))
    set_random_step(cell, graph, point.step)


def equalise(cell: Any, graph: Any, world: World, seed: int) -> None:
    """Give every worker the first one's weights, and random numbers of its own to the others."""
    if world.size > 1:
        write(cell, graph, world.from_first(read(cell, graph)))
        set_randomness(cell, graph, world.seed(seed))


def settle(cell: Any, graph: Any, world: World) -> None:
    """Make the workers' running statistics one: their mean. Averaging is linear, so it may happen at any step."""
    if world.size > 1:
        arrays = read(cell, graph)
        gathered = [p.path for p in graph.params if not p.trainable]
        write(cell, graph, {**arrays, **world.mean({path: arrays[path] for path in gathered})})


def _parameters(step: Any) -> dict[str, Any]:
    scale = {f"loss_{name}": getattr(step, name) for name in ("scale", "calm") if hasattr(step, name)}
    return {p.name: p for p in state_parameters(step.optimizer)} | scale
