"""All that a step Cell carries from step to step besides the weights, as arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.load import set_random_step, set_randomness
from cmt_dsl.lower.weights import read, write
from runtime.device.world import World
from runtime.training.optim import state_parameters
from runtime.training.resume import Point

WORKER = "worker.{rank}:"
"""Before the path of a running statistic: each worker has its own between two validations."""


def take(step: Any, each: Sequence[Mapping[str, np.ndarray]] = ()) -> dict[str, np.ndarray]:
    """Copies of moments, counters and loss scale, and the running statistics of `each` worker if there are several."""
    own = {name: np.array(p.asnumpy(), copy=True) for name, p in _parameters(step).items()}
    for rank, statistics in enumerate(each):
        own |= {WORKER.format(rank=rank) + path: value for path, value in statistics.items()}
    return own


def put(point: Point, cell: Any, graph: Any, step: Any, world: World) -> None:
    """Weights, step state and random counters of `point`, strictly; CMT-604 if a name or a shape differs."""
    import mindspore as ms

    mark = WORKER.format(rank=world.rank)
    statistics = {n.removeprefix(mark): a for n, a in point.state.items() if n.startswith(mark)}
    write(cell, graph, {**point.checkpoint.arrays, **statistics})
    parameters = _parameters(step)
    state = {name: value for name, value in point.state.items() if not name.startswith("worker.")}
    if {n: a.shape for n, a in state.items()} != {n: tuple(p.shape) for n, p in parameters.items()}:
        raise CmtError(
            "CMT-604",
            "the optimiser state does not fit this model's parameters",
            hint="it was written by another version of cmt-dsl; train again with another --out",
        )
    for name, parameter in parameters.items():
        parameter.set_data(ms.Tensor(state[name].copy()))
    set_random_step(cell, graph, point.step)


def equalise(cell: Any, graph: Any, world: World, seed: int) -> None:
    """Give every worker the first one's weights, and random numbers of its own to the others."""
    if world.size > 1:
        arrays = read(cell, graph)
        write(cell, graph, {**world.from_first(arrays), **statistics(arrays, graph)})
        set_randomness(cell, graph, world.seed(seed))


def statistics(arrays: Mapping[str, np.ndarray], graph: Any) -> dict[str, np.ndarray]:
    """Those of a model's arrays that follow its activations instead of gradients."""
    return {p.path: arrays[p.path] for p in graph.params if not p.trainable}


def settle(cell: Any, graph: Any, world: World) -> None:
    """Make the workers' running statistics one, their mean, before they validate."""
    if world.size > 1:
        arrays = read(cell, graph)
        write(cell, graph, {**arrays, **world.mean(statistics(arrays, graph))})


def _parameters(step: Any) -> dict[str, Any]:
    scale = {f"loss_{name}": getattr(step, name) for name in ("scale", "calm") if hasattr(step, name)}
    return {p.name: p for p in state_parameters(step.optimizer)} | scale
