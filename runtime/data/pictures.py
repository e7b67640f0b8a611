"""Stored images with labels as a source: decoded, augmented and batched by threads, exactly the same however many."""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.classes import Order
from runtime.data.identity import Identity, identified
from runtime.data.image.stages import Stages, eval_stages, through, train_stages
from runtime.data.image.transforms import pixels
from runtime.data.order import epoch_draws
from runtime.data.source import WHOLE, Bad, Batch, Shard, View, too_many
from runtime.data.splitting import Split
from runtime.data.stored import Content, Stored
from runtime.msrun import processes
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

AT_ONCE = 16
"""Training images in a batch without augmentation."""
UNSAID = Order(())
"""Where a store does not say how its classes came into their order."""


@dataclass(frozen=True)
class Seen:
    """What became of a draw: the label of the image put into its row, or None; and what could not be read."""

    label: int | None
    bad: tuple[Bad, ...] = ()


@dataclass
class Pictures:
    """The source over two stores. An image is a function of (seed, epoch, draw) alone: shards, threads and skipping
    change nothing. An unreadable training image is replaced by the next readable one of the store, with its label.
    """

    name: str
    classes: tuple[str, ...]
    stored: dict[str, Stored]  # "val", and "train" unless only validating
    view: View
    augment: AugmentGroup | None
    group: DataGroup
    notes: tuple[str, ...] = ()
    bad: list[Bad] = field(default_factory=list)
    order: Order = UNSAID
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Numbers of files that are no images, by folder of a split and ending."""
    split: Split | None = None
    """Which images were held out, where the data has none of its own."""

    def __post_init__(self) -> None:
        if self.view.channels not in (1, 3):
            raise CmtError(
                "CMT-506",
                f"the model reads {self.view.channels} channels, images give 3 (or 1, as grey)",
                hint="--set input.channels=3",
            )
        cores = _cores()
        self.workers = cores if self.group.workers is None else min(self.group.workers, cores)
        if self.order is UNSAID:
            self.order = Order(self.classes)

    @property
    def train_size(self) -> int:
        return len(self.stored["train"].labels) if "train" in self.stored else 0

    @property
    def train_labels(self) -> Array:
        return self.stored["train"].labels if "train" in self.stored else np.zeros(0, np.int32)

    @property
    def val_size(self) -> int:
        return len(self.stored["val"].labels)

    def train(
        self, batch: int, seed: int, epoch: int, shard: Shard = WHOLE, skip: int = 0
    ) -> Iterator[Batch]:
        if self.augment is None:
            raise ValueError("a source opened without augment can only validate")
        rng, repeats = np.random.default_rng([seed, epoch]), self.augment.repeats
        draws = epoch_draws(rng, self.train_labels, repeats, balance=self.group.balance)
        everyone = batch * shard.count
        mine = draws[: self.train_size // everyone * everyone][shard.rows][skip * batch :]
        stages = train_stages(self.view, self.augment, seed, epoch)
        for images, seen in self._batches("train", mine, batch, stages, replacing=True):
            yield Batch(images, np.array([one.label for one in seen], dtype=np.int32), batch)

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        mine, any_, done = np.arange(self.val_size)[shard.rows], False, 0
        for images, seen in self._batches("val", mine, batch, eval_stages(self.view), replacing=False):
            rows = [row for row, one in enumerate(seen) if one.label is not None]
            indices, done = mine[done : done + len(seen)][rows], done + len(seen)
            if not rows:
                continue
            any_ = True
            shown = rows + rows[:1] * (batch - len(rows))
            if len(rows) < batch:
                images = images[shown]
            labels = np.array([seen[row].label for row in shown], dtype=np.int32)
            yield Batch(images, labels, len(rows), functools.partial(self._val_name, indices))
        if shard.count == 1 and not any_:
            raise CmtError("CMT-503", f"{self.name}: none of the {self.val_size} held-out images can be read")

    def train_as_val(self, rows: Array) -> Iterator[Array]:
        for images, seen in self._batches("train", rows, AT_ONCE, eval_stages(self.view), replacing=True):
            yield images[[row for row, one in enumerate(seen) if one.label is not None]]

    def pixels(self, images: Array) -> Array:
        return pixels(images)

    @property
    def identity(self) -> Identity:
        return self._identified

    @functools.cached_property
    def _identified(self) -> Identity:
        return identified(self.stored, self.classes)

    def _val_name(self, indices: Array, row: int) -> str:
        return self.stored["val"].name(int(indices[row]))

    def _batches(
        self, split: str, draws: Array, batch: int, stages: Stages, *, replacing: bool
    ) -> Iterator[tuple[Array, list[Seen]]]:
        """[batch, c, h, w] and what is in its rows, for each batch; as many are in work as keep the threads busy."""
        stored = self.stored[split]
        ahead = max(2, -(-2 * self.workers // batch))
        attempts = min(self.group.max_bad + 1, len(stored.labels)) if replacing else 1
        contents = zip(draws.tolist(), stored.contents(draws % len(stored.labels)), strict=True)
        waiting: deque[tuple[Array, list[Future[Seen]]]] = deque()
        shape = (batch, self.view.channels, self.view.height, self.view.width)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="cmt-data") as pool:
            try:
                while True:
                    while len(waiting) <= ahead and (chunk := list(itertools.islice(contents, batch))):
                        images = np.empty(shape, dtype=np.float32)
                        jobs = [
                            pool.submit(_show, stored, read, draw, stages, attempts, row)
                            for (draw, read), row in zip(chunk, images, strict=False)
                        ]
                        waiting.append((images, jobs))
                    if not waiting:
                        return
                    images, jobs = waiting.popleft()
                    seen = [job.result() for job in jobs]
                    self._note(bad for one in seen for bad in one.bad)
                    yield images, seen
            finally:
                pool.shutdown(cancel_futures=True)

    def _note(self, found: Iterator[Bad]) -> None:
        """Count what could not be read, in the order of the draws; CMT-503 for one too many."""
        most = self.group.max_bad
        for bad in found:
            if bad.name in {known.name for known in self.bad}:
                continue
            self.bad.append(bad)
            if len(self.bad) > most:
                raise too_many(bad, len(self.bad), most)


def _cores() -> int:
    """Processors for this process: those it is bound to, else its part of all where workers share the machine."""
    everything = os.cpu_count() or 1
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everything
    return mine if mine < everything else max(1, everything // processes())


def _show(
    stored: Stored, read: Callable[[], Content], draw: int, stages: Stages, attempts: int, row: Array
) -> Seen:
    """Put a draw's image into `row` [c, h, w], or the next readable one within `attempts`."""
    size, bad = len(stored.labels), []
    for further in range(attempts):
        index = (draw + further) % size
        try:
            content: Any = read() if further == 0 else stored.read(index)
            row[...] = through(stages, content, draw)
            return Seen(int(stored.labels[index]), tuple(bad))
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            bad.append(Bad(stored.name(index), reason))
    return Seen(None, tuple(bad))
