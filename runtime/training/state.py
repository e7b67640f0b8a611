"""All that a step Cell carries from step to step besides the weights and their average, as arrays by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.load import set_random_step, set_randomness
from cmt_dsl.lower.weights import read, write
from runtime.device.world import World
from runtime.training.resume import Point

WORKER = "worker.{rank}:"
"""Before the name of what a worker has of its own between two validations."""


def take(step: Any, each: Sequence[Mapping[str, np.ndarray]] = ()) -> dict[str, np.ndarray]:
    """Copies of moments, counters and loss scale, and the running statistics of `each` worker if there are several."""
    own = {name: np.array(p.asnumpy(), copy=True) for name, p in step.carried().items()}
    for rank, statistics in enumerate(each):
        own |= {WORKER.format(rank=rank) + path: value for path, value in statistics.items()}
    return own


def put(point: Point, cell: Any, graph: Any, step: Any, world: World) -> None:
    """Weights, step state and random counters of `point`, strictly; CMT-604 if a name, shape or type differs."""
    import mindspore as ms

    mark = WORKER.format(rank=world.rank)
    own = {n.removeprefix(mark): a for n, a in point.state.items() if n.startswith(mark)}
    held = statistics(point.checkpoint.arrays, graph)
    write(cell, graph, {**point.checkpoint.arrays, **{n: a for n, a in own.items() if n in held}})
    parameters = step.carried()
    state = {name: value for name, value in point.state.items() if not name.startswith("worker.")}
    found = {name: (value.shape, value.dtype) for name, value in state.items()}
    if found != {n: (tuple(p.shape), np.dtype(ms.dtype_to_nptype(p.dtype))) for n, p in parameters.items()}:
        raise CmtError(
            "CMT-604",
            "the optimiser state does not fit this model's parameters",
            hint="it was written by another version of cmt-dsl; train again with another --out",
        )
    for name, parameter in parameters.items():
        parameter.set_data(ms.Tensor(state[name].copy()))
    if step.average is not None:
        step.average.write(point.checkpoint.ema)
    for name, parameter in step.gathered_alone(tuple(held)).items():
        if name in own:
            parameter.set_data(ms.Tensor(own[name].copy()))
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


def gathered_alone(step: Any, held: Iterable[str]) -> dict[str, np.ndarray]:
    """Copies of what a worker's step gathered alone: sums of gradients, the average of the statistics `held`."""
    return {n: np.array(p.asnumpy(), copy=True) for n, p in step.gathered_alone(tuple(held)).items()}


def settle(cell: Any, graph: Any, world: World, step: Any) -> None:
    """Make the workers' running statistics, and the average of them, one, their mean, before they validate."""
    import mindspore as ms

    if world.size > 1:
        arrays = read(cell, graph)
        own = statistics(arrays, graph)
        write(cell, graph, {**arrays, **world.mean(own)})
        means = world.mean(gathered_alone(step, own))
        for name, parameter in step.gathered_alone(tuple(own)).items():
            parameter.set_data(ms.Tensor(means[name]))
