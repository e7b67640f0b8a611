"""What workers hold alone between two validations, and how it is made one, kept and given back; no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmt_dsl import Graph
from runtime.array import Array, Arrays
from runtime.jobs.world import World
from runtime.train.engine import Engine
from runtime.train.resume import Continuation

WORKER = "worker.{rank}:"
"""Before the name of what a worker has of its own between two validations."""


def statistics(arrays: Mapping[str, Array], graph: Graph) -> Arrays:
    """Those of a model's arrays that follow its activations instead of gradients."""
    return {p.path: arrays[p.path] for p in graph.params if not p.trainable}


def kept(engine: Engine, each: Sequence[Mapping[str, Array]] = ()) -> Arrays:
    """An engine's state for a file, with what `each` worker holds alone if there are several."""
    state = engine.state()
    for rank, own in enumerate(each):
        state |= {WORKER.format(rank=rank) + path: value for path, value in own.items()}
    return state


def give_back(point: Continuation, engine: Engine, graph: Graph, world: World) -> None:
    """Weights, state and random numbers of `point`, strictly; CMT-604 if a name, shape or type differs."""
    mark = WORKER.format(rank=world.rank)
    own = {n.removeprefix(mark): a for n, a in point.state.items() if n.startswith(mark)}
    held = statistics(point.checkpoint.arrays, graph)
    engine.put_weights({**point.checkpoint.arrays, **{n: a for n, a in own.items() if n in held}})
    engine.put_state({name: value for name, value in point.state.items() if not name.startswith("worker.")})
    engine.put_averaged(point.checkpoint.ema)
    engine.put_alone(own)
    engine.resume_at(point.step)


def equalise(engine: Engine, graph: Graph, world: World, seed: int) -> None:
    """Give every worker the first one's weights, and random numbers of its own to the others."""
    if world.size > 1:
        arrays = engine.weights()
        engine.put_weights({**world.from_first(arrays), **statistics(arrays, graph)})
        engine.randomise(world.seed(seed))


def settle(engine: Engine, graph: Graph, world: World) -> None:
    """Make the workers' running statistics, and the average of them, one, their mean, before they validate."""
    if world.size > 1:
        arrays = engine.weights()
        engine.put_weights({**arrays, **world.mean(statistics(arrays, graph))})
        engine.put_alone(world.mean(engine.alone()))
