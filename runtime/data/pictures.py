"""Stored images with labels as a source: decoded, augmented and batched by threads, exactly the same however many."""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.data.order import shuffled_draws
from runtime.data.source import WHOLE, Bad, Batch, Shard, View
from runtime.data.stages import Stages, eval_stages, through, train_stages
from runtime.data.transforms import pixels
from runtime.recipe.schema import AugmentGroup, DataGroup

Content = bytes | np.ndarray
"""An image file's bytes, or pixels uint8 [h, w, 3]."""


class Stored(Protocol):
    """The images of a split at rest. Reading raises ValueError or OSError for an image that cannot be read."""

    labels: np.ndarray
    """[n] int32"""

    def name(self, index: int) -> str:
        """What a person finds that image by."""
        ...

    def read(self, index: int) -> Content: ...

    def contents(self, indices: np.ndarray) -> Iterator[Callable[[], Content]]:
        """For each index in order: what reads it, in any thread."""
        ...


class InOrder:
    """`contents` of stores that read any image at any moment."""

    def read(self, index: int) -> Content:
        raise NotImplementedError

    def contents(self, indices: np.ndarray) -> Iterator[Callable[[], Content]]:
        return (functools.partial(self.read, int(index)) for index in indices)


@dataclass(frozen=True)
class Shown:
    """One image of a batch (None: it could not be read, nor could what may replace it)."""

    image: np.ndarray | None
    label: int
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

    def __post_init__(self) -> None:
        if self.view.channels not in (1, 3):
            raise CmtError(
                "CMT-506",
                f"the model reads {self.view.channels} channels, images give 3 (or 1, as grey)",
                hint="--set input.channels=3",
            )
        cores = os.cpu_count() or 1
        self.workers = cores if self.group.workers is None else min(self.group.workers, cores)

    @property
    def train_size(self) -> int:
        return len(self.stored["train"].labels) if "train" in self.stored else 0

    @property
    def val_size(self) -> int:
        return len(self.stored["val"].labels)

    def train(
        self, batch: int, seed: int, epoch: int, shard: Shard = WHOLE, skip: int = 0
    ) -> Iterator[Batch]:
        if self.augment is None:
            raise ValueError("a source opened without augment can only validate")
        draws = shuffled_draws(np.random.default_rng([seed, epoch]), self.train_size, self.augment.repeats)
        everyone = batch * shard.count
        mine = draws[: self.train_size // everyone * everyone][shard.rows][skip * batch :]
        stages = train_stages(self.view, self.augment, seed, epoch)
        for shown in self._shown("train", mine, batch, stages, replacing=True):
            images = [one.image for one in shown if one.image is not None]
            yield Batch(np.stack(images), np.array([one.label for one in shown], dtype=np.int32), batch)

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        mine, any_ = np.arange(self.val_size)[shard.rows], False
        for shown in self._shown("val", mine, batch, eval_stages(self.view), replacing=False):
            found = [(one.image, one.label) for one in shown if one.image is not None]
            if not found:
                continue
            any_ = True
            rows = found + found[:1] * (batch - len(found))
            images, labels = zip(*rows, strict=True)
            yield Batch(np.stack(images), np.array(labels, dtype=np.int32), len(found))
        if shard.count == 1 and not any_:
            raise CmtError("CMT-503", f"{self.name}: none of the {self.val_size} held-out images can be read")

    def pixels(self, images: np.ndarray) -> np.ndarray:
        return pixels(images)

    def _shown(
        self, split: str, draws: np.ndarray, batch: int, stages: Stages, *, replacing: bool
    ) -> Iterator[list[Shown]]:
        """Batch after batch of the draws, with as many in work as keep the threads busy."""
        stored = self.stored[split]
        ahead = max(2, -(-2 * self.workers // batch))
        attempts = min(self.group.max_bad + 1, len(stored.labels)) if replacing else 1
        contents = zip(draws.tolist(), stored.contents(draws % len(stored.labels)), strict=True)
        waiting: deque[list[Future[Shown]]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="cmt-data") as pool:
            try:
                while True:
                    while len(waiting) <= ahead and (chunk := list(itertools.islice(contents, batch))):
                        jobs = [pool.submit(_show, stored, read, d, stages, attempts) for d, read in chunk]
                        waiting.append(jobs)
                    if not waiting:
                        return
                    shown = [job.result() for job in waiting.popleft()]
                    self._note(bad for one in shown for bad in one.bad)
                    yield shown
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
                count = f" (bad image {len(self.bad)}, data.max_bad is {most})" if most else ""
                raise CmtError(
                    "CMT-503",
                    f"cannot read {bad.name}: {bad.reason}{count}",
                    hint="repair or remove that file, or leave out some bad ones: --set data.max_bad=N; "
                    "`cmt data check` lists all",
                )


def _show(stored: Stored, read: Callable[[], Content], draw: int, stages: Stages, attempts: int) -> Shown:
    size, bad = len(stored.labels), []
    for further in range(attempts):
        index = (draw + further) % size
        try:
            content: Any = read() if further == 0 else stored.read(index)
            return Shown(through(stages, content, draw), int(stored.labels[index]), tuple(bad))
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            bad.append(Bad(stored.name(index), reason))
    return Shown(None, int(stored.labels[draw % size]), tuple(bad))
