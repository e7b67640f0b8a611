"""The engine of a run by MindSpore: the step Cell, and its weights and state as arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import to_cell
from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.cell import read, write
from cmt_dsl.lower.mindspore.load import set_random_step, set_randomness
from runtime.array import Arrays
from runtime.device.environment import mindspore, set_device
from runtime.device.precision import in_precision
from runtime.engines.mindspore.collectives import Shared
from runtime.engines.mindspore.sink import sunk
from runtime.engines.mindspore.step import train_step
from runtime.infer.backend import Compute
from runtime.infer.backends.mindspore import computing
from runtime.jobs.world import World
from runtime.run.pace import process_memory
from runtime.train.plan import Plan

ms = mindspore()
from mindspore import Parameter, Tensor  # noqa: E402


class MindSporeEngine:
    """See `train.engine.Engine`."""

    def __init__(self, plan: Plan, world: World, file: Path | None):
        recipe = plan.recipe
        self.device = set_device(recipe.device)
        ms.set_seed(recipe.train.seed)
        self._graph = plan.graph
        self.cell = to_cell(plan.graph, seed=recipe.train.seed, weights=plan.start.arrays, file=file)
        self._net = in_precision(self.cell, recipe.device.amp, recipe.device.amp_dtype)
        self.step_cell = train_step(self._net, plan.graph, recipe, plan.decay_all, world)
        self._fed = sunk(self.step_cell, recipe.train.sink)
        self._shared = Shared(world.size) if world.size > 1 else None
        self._statistics = tuple(info.path for info in plan.graph.params if not info.trainable)

    def step(self, images: np.ndarray, targets: np.ndarray, rate: float, *, asked: bool) -> Result:
        loss, applied = self._fed(Tensor(images), Tensor(targets), Tensor(rate, ms.float32))
        if self._shared is None:
            return Result(loss, applied)
        both = self._shared(loss, Tensor(1.0 if asked else 0.0, ms.float32))
        return Result(both[0], applied, both)

    def loss_scale(self) -> float | None:
        return float(self.step_cell.scale.asnumpy()) if self.step_cell.scaled else None

    def peak_memory(self) -> int:
        return process_memory() if self.device == "CPU" else int(ms.runtime.max_memory_allocated())

    @contextlib.contextmanager
    def computing(self, *, averaged: bool = False) -> Generator[Compute, None, None]:
        average = self.step_cell.average
        with average.shown() if averaged and average is not None else contextlib.nullcontext():
            self._net.set_train(False)
            try:
                yield computing(self._net)
            finally:
                self._net.set_train(True)

    def weights(self) -> Arrays:
        return read(self.cell, self._graph)

    def put_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        write(self.cell, self._graph, arrays)

    def averaged(self) -> Arrays | None:
        return None if self.step_cell.average is None else self.step_cell.average.read()

    def put_averaged(self, arrays: Mapping[str, np.ndarray] | None) -> None:
        if self.step_cell.average is not None:
            self.step_cell.average.write(arrays)

    def state(self) -> Arrays:
        return _copies(self.step_cell.carried())

    def put_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        parameters = self.step_cell.carried()
        found = {name: (value.shape, value.dtype) for name, value in arrays.items()}
        if found != {
            n: (tuple(p.shape), np.dtype(ms.dtype_to_nptype(p.dtype))) for n, p in parameters.items()
        }:
            raise CmtError(
                "CMT-604",
                "the optimiser state does not fit this model's parameters",
                hint="it was written by another version of cmt-dsl; train again with another --out",
            )
        for name, parameter in parameters.items():
            parameter.set_data(Tensor(arrays[name].copy()))

    def alone(self) -> Arrays:
        return _copies(self.step_cell.gathered_alone(self._statistics))

    def put_alone(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, parameter in self.step_cell.gathered_alone(self._statistics).items():
            if name in arrays:
                parameter.set_data(Tensor(arrays[name].copy()))

    def randomise(self, seed: int) -> None:
        set_randomness(self.cell, self._graph, seed)

    def resume_at(self, step: int) -> None:
        set_random_step(self.cell, self._graph, step)


class Result:
    """Tensors, or what stands for them in a group of sunk steps; read when asked."""

    def __init__(self, loss: Any, applied: Any, both: Tensor | None = None):
        self._loss, self._applied, self._both = loss, applied, both

    def read(self) -> tuple[float, bool]:
        return float(self._loss.asnumpy()), bool(self._applied.asnumpy())

    def asked(self) -> bool:
        return self._both is not None and float(self._both.asnumpy()[1]) > 0


def _copies(parameters: Mapping[str, Parameter]) -> Arrays:
    return {name: np.array(p.asnumpy(), copy=True) for name, p in parameters.items()}
