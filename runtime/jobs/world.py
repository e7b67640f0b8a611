"""The workers of a data-parallel job: who they are, and the few things they tell each other.

`msrun` (or `cmt launch`) starts them, and an engine carries their messages: MindSpore's by HCCL on Ascend, by its own
collectives on the CPU. Without them the world has one worker and every operation here returns what it was given.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.source import Shard


class Transport(Protocol):
    """Carries flat arrays between the workers; each is the same on every worker, or none of them returns."""

    def gathered(self, value: Array) -> Array:
        """[n] of each worker as [size * n], in order of rank."""
        ...

    def summed(self, value: Array) -> Array:
        """[n] the sum over the workers."""
        ...

    def of_first(self, value: Array) -> Array:
        """[n] what the first worker gave."""
        ...


@dataclass(frozen=True)
class World:
    """Worker `rank` of `size`; `transport` carries what they tell each other, None where there is one."""

    rank: int = 0
    size: int = 1
    transport: Transport | None = field(default=None, compare=False, repr=False)

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

    def counts(self, table: Array) -> Array:
        """Sums over the workers of integers in a table of any shape, int64."""
        total = np.array(self.total(table.reshape(-1).tolist()))
        return total.round().astype(np.int64).reshape(table.shape)

    def mean(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Means over the workers of float arrays by name, in float32."""
        if self.size == 1 or not arrays:
            return dict(arrays)
        return _unpacked(self._carrier.summed(_packed(arrays)) / np.float32(self.size), arrays)

    def each(self, arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
        """What each worker gave, in order of rank, as float32; nothing where there is only one."""
        if self.size == 1 or not arrays:
            return []
        return [_unpacked(row, arrays) for row in self._gathered(_packed(arrays))]

    def from_first(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """What the first worker gave, bit for bit."""
        if self.size == 1 or not arrays:
            return dict(arrays)
        return _unpacked(self._carrier.of_first(_packed(arrays)), arrays)

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

    @property
    def _carrier(self) -> Transport:
        assert self.transport is not None, "several workers were made without a transport"
        return self.transport

    def _gathered(self, value: Array) -> Array:
        """[size, …] of every worker's `value`."""
        shape = (self.size, *value.shape)
        return self._carrier.gathered(value.reshape(-1)).reshape(shape)


SOLO = World()


def on(device: str, world: World) -> str:
    """How the devices in use are called: `CPU`, `8 x Ascend`."""
    return device if world.size == 1 else f"{world.size} x {device}"


def _packed(arrays: Mapping[str, Array]) -> Array:
    return np.concatenate([np.asarray(value, np.float32).ravel() for value in arrays.values()])


def _unpacked(flat: Array, like: Mapping[str, Array]) -> dict[str, Array]:
    ends = np.cumsum([value.size for value in like.values()])[:-1]
    parts = np.split(flat, ends)
    return {name: part.reshape(value.shape) for (name, value), part in zip(like.items(), parts, strict=True)}
