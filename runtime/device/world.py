"""The workers of a data-parallel job: who they are, and the few things they tell each other.

`msrun` (or `cmt launch`) starts them; HCCL carries their messages on Ascend, MindSpore's own collectives on the CPU.
Without them the world has one worker and every operation here returns what it was given.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.data.source import Shard
from runtime.device.environment import mindspore, set_device

ROLE = "MS_ROLE"  # set by msrun for every process it starts


@dataclass(frozen=True)
class World:
    """Worker `rank` of `size`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this worker writes the files and speaks to people."""
        return self.rank == 0

    @property
    def shard(self) -> Shard:
        return Shard(self.rank, self.size)

    def seed(self, seed: int) -> int:
        """A seed of this worker's own; the first keeps the run's."""
        return seed + (self.rank << 32)

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the workers, each exact to twice float32's digits; every worker calls it."""
        if self.size == 1:
            return list(values)
        exact = np.asarray(values, np.float64)
        high = exact.astype(np.float32)
        both = np.stack([high, (exact - high).astype(np.float32)])
        return [float(v) for v in self._gathered(both).astype(np.float64).sum(axis=(0, 1))]

    def mean(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Means over the workers of float arrays by name, in float32."""
        if self.size == 1 or not arrays:
            return dict(arrays)
        return _unpacked(_collective("AllReduce")(_packed(arrays)) / np.float32(self.size), arrays)

    def each(self, arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        """What each worker gave, in order of rank, as float32; nothing where there is only one."""
        if self.size == 1 or not arrays:
            return []
        return [_unpacked(row, arrays) for row in self._gathered(_packed(arrays))]

    def from_first(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the first worker gave, bit for bit."""
        if self.size == 1 or not arrays:
            return dict(arrays)
        return _unpacked(_collective("Broadcast")(_packed(arrays)), arrays)

    def require_equal(self, **facts: Any) -> None:
        """CMT-722 unless every worker gives the same facts (JSON values); also holds all until all are here."""
        if self.size == 1:
            return
        sums = [
            zlib.crc32(json.dumps(value, sort_keys=True, default=str).encode()) for value in facts.values()
        ]
        everyone = self._gathered(np.array(sums, np.uint32).view(np.int32))
        wrong = [name for name, seen in zip(facts, everyone.T, strict=True) if len(set(seen.tolist())) > 1]
        if wrong:
            raise CmtError(
                "CMT-722",
                f"the {self.size} workers disagree on {', '.join(wrong)}",
                hint="every node needs the same version, spec, recipe and data",
            )

    def everyone(self, value: Any) -> list[Any]:
        """What each worker gave, in order of rank: anything that JSON carries, usually little."""
        if self.size == 1:
            return [value]
        text = json.dumps(value).encode()
        sizes = self._gathered(np.array([len(text)], np.int32)).ravel()
        room = np.zeros(max(4, 1 << int(sizes.max()).bit_length()), np.uint8)  # few shapes: each is compiled
        room[: len(text)] = np.frombuffer(text, np.uint8)
        rows = np.ascontiguousarray(self._gathered(room.view(np.int32))).view(np.uint8)
        return [json.loads(bytes(row[:size])) for row, size in zip(rows, sizes, strict=True)]

    def _gathered(self, value: np.ndarray) -> np.ndarray:
        """[size, …] of every worker's `value`."""
        shape = (self.size, *value.shape)
        return _collective("AllGather")(value.reshape(-1)).reshape(shape)


SOLO = World()


def on(device: str, world: World) -> str:
    """How the devices in use are called: `CPU`, `8 x Ascend`."""
    return device if world.size == 1 else f"{world.size} x {device}"


def launched() -> bool:
    """Whether msrun started this process."""
    return ROLE in os.environ


def processes(wanted: bool | None) -> int:
    """How many workers there are going to be, known before they are joined."""
    return int(os.environ.get("MS_WORKER_NUM", "1")) if launched() and wanted is not False else 1


def is_scheduler() -> bool:
    """Whether this process only introduces the workers to each other."""
    return os.environ.get(ROLE) == "MS_SCHED"


def join(device: object, wanted: bool | None) -> World:
    """This process's place among the workers; the scheduler stays inside until they are done, and exits.

    `wanted` None: distributed if msrun started the process. CMT-720 if it is wanted but there is no msrun, CMT-721
    if the workers cannot be joined.
    """
    if wanted is False or (wanted is None and not launched()):
        return SOLO
    if not launched():
        raise CmtError(
            "CMT-720",
            "--distributed, but this process was not started by msrun",
            hint="cmt launch --workers 8 -- train …, or msrun --worker_num 8 --join True -m runtime.cli train …",
        )
    ms = mindspore()
    if is_scheduler():
        ms.set_device("CPU")
    else:
        set_device(device)
    from mindspore.communication import get_group_size, get_rank, init

    try:
        init()
    except (RuntimeError, ValueError, TypeError) as error:
        raise CmtError(
            "CMT-721",
            f"the workers could not be joined: {str(error).strip().splitlines()[0][:200]}",
            hint="is the port free, are all workers started, do they reach the master?",
        ) from None
    if is_scheduler():
        raise SystemExit(0)
    world = World(get_rank(), get_group_size())
    if world.size > 1:
        ms.set_auto_parallel_context(
            parallel_mode="data_parallel", gradients_mean=True, device_num=world.size
        )
    return world


def _packed(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(value, np.float32).ravel() for value in arrays.values()])


def _unpacked(flat: np.ndarray, like: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    ends = np.cumsum([value.size for value in like.values()])[:-1]
    parts = np.split(flat, ends)
    return {name: part.reshape(value.shape) for (name, value), part in zip(like.items(), parts, strict=True)}


def _collective(kind: str) -> Any:
    """A function of one flat array; the same on every worker, or none of them returns."""
    from runtime.device.collectives import Collective

    ms = mindspore()

    def call(value: np.ndarray) -> np.ndarray:
        return Collective(kind)(ms.Tensor(value)).asnumpy()

    return call
