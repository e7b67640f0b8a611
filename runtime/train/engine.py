"""What training needs of a framework: two protocols, and nothing else of it is seen here.

A framework is a room of `runtime/engines/`, found by its name and imported when it is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cmt_dsl.errors import CmtError
from runtime.array import Array, Arrays
from runtime.infer.backend import Compute
from runtime.jobs.world import World
from runtime.recipe.schema import DeviceGroup

if TYPE_CHECKING:
    from runtime.train.plan import Plan


ROOM = "runtime.engines"
"""The package whose rooms are the frameworks; only its name is known here."""


class StepResult(Protocol):
    """What a step returned, perhaps before the device has computed it; asking waits for it."""

    def read(self) -> tuple[float, bool]:
        """(the loss, its mean over the workers; whether weights were updated or only gathered for it, not skipped)."""
        ...

    def asked(self) -> bool:
        """Whether any worker said at that step that it was asked to stop."""
        ...


class Engine(Protocol):
    """A model, its loss and its optimiser on a device. Weights, averages and statistics go by their paths in the graph.

    Every worker has one and calls the same methods in the same order.
    """

    device: str
    """Where it computes: "CPU", "Ascend"."""

    def step(self, images: Array, targets: Array, rate: float, *, asked: bool) -> StepResult:
        """One batch: images [n, c, h, w], targets [n, classes] as probabilities, learning rate."""
        ...

    def loss_scale(self) -> float | None:
        """The loss scale now; None where the recipe has none."""
        ...

    def peak_memory(self) -> int:
        """The most bytes held so far: on the CPU by the process, elsewhere by the framework on the device."""
        ...

    def computing(self, *, averaged: bool = False) -> contextlib.AbstractContextManager[Compute]:
        """While it lasts the model, or its moving average, computes logits as in validation; then all is as before."""
        ...

    def weights(self) -> Arrays:
        """Copies of this worker's weights and running statistics."""
        ...

    def put_weights(self, arrays: Mapping[str, Array]) -> None:
        """Take these, all of them."""
        ...

    def averaged(self) -> Arrays | None:
        """Copies of their moving average; None where the recipe keeps none."""
        ...

    def put_averaged(self, arrays: Mapping[str, Array] | None) -> None:
        """Go on from what `averaged` gave; CMT-604 if names or shapes differ."""
        ...

    def state(self) -> Arrays:
        """Copies of all else that goes from step to step: moments, counters, loss scale, gathered gradients."""
        ...

    def put_state(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `state` gave; CMT-604 if a name, shape or type differs."""
        ...

    def alone(self) -> Arrays:
        """Copies of what each worker gathers alone besides running statistics, until `put_alone` makes it one."""
        ...

    def put_alone(self, arrays: Mapping[str, Array]) -> None:
        """Take those of what `alone` names that are given."""
        ...

    def randomise(self, seed: int) -> None:
        """Let dropout and drop path draw by this seed."""
        ...

    def resume_at(self, step: int) -> None:
        """Let dropout and drop path draw what they draw after so many steps."""
        ...


class Framework(Protocol):
    """A framework that engines are made of; importing it loads nothing heavy."""

    name: str

    def join(self, device: DeviceGroup) -> World:
        """This process's place among the workers that msrun started; CMT-721 if they cannot be joined."""
        ...

    def require(self, device: DeviceGroup, out: Path) -> None:
        """CMT-701, 704 or 804 unless the device is there and computes in that precision; nothing in `out` yet."""
        ...

    def session(self, log: Path) -> contextlib.AbstractContextManager[object]:
        """Entered around a run: what the framework prints goes to `log`, what it raises becomes CmtError."""
        ...

    def open(self, plan: Plan, world: World, file: Path | None) -> Engine:
        """An engine at the start of the plan's run; the model's source, if it has one, goes to `file`."""
        ...


def framework(name: str = "mindspore") -> Framework:
    """The framework of that name; CMT-840 for an unknown one."""
    room = importlib.import_module(ROOM)
    known = [module.name for module in pkgutil.iter_modules(room.__path__)]
    if name not in known:
        raise CmtError("CMT-840", f"there is no engine '{name}'", hint=f"there are {', '.join(known)}")
    found: Framework = importlib.import_module(f"{ROOM}.{name}.framework").FRAMEWORK
    return found
