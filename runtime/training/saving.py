"""Checkpoints of a run under way: what is written, and what is never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.weights import read
from runtime.checkpoint.file import Checkpoint
from runtime.run.directory import Keeper
from runtime.sharing import without_folders
from runtime.training.average import averaged
from runtime.training.job import Job
from runtime.training.ledger import Ledger
from runtime.training.state import gathered_alone, statistics, take


class Saver:
    """Writes weights, step state and the loop's counters; every worker calls it, the first writes."""

    def __init__(self, job: Job, graph: Any, cell: Any, step: Any, ledger: Ledger):
        self._job, self._graph, self._cell, self._step, self._ledger = job, graph, cell, step, ledger
        self._keeper = Keeper(job.out, job.recipe.train.keep, job.resume.loop if job.resume else None)

    @property
    def last(self) -> Path:
        return self._keeper.last

    @property
    def best(self) -> float | None:
        """Highest top-1 so far."""
        return self._keeper.best

    def keep(self, epoch: int, step: int, metrics: dict[str, Any], *, over: bool) -> None:
        """Write the checkpoint; `over`: nothing of this epoch is left to do, otherwise nothing has validated it."""
        self._ledger.read()
        world, arrays, ema = self._job.world, read(self._cell, self._graph), averaged(self._step)
        own = statistics(arrays, self._graph)
        each = world.each({**own, **gathered_alone(self._step, own)})
        arrays |= world.mean(own)
        if ema is not None:
            ema |= world.mean(statistics(ema, self._graph))
        if not all(np.isfinite(a).all() for a in arrays.values()):
            raise CmtError(
                "CMT-702",
                "a weight is no longer a finite number; nothing was overwritten",
                hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
            )
        if not world.first:
            return
        source = self._job.source
        loop = {
            "over": over,
            "images": [source.train_size, source.val_size],
            "data": source.identity,
            "workers": world.size,
            **self._ledger.state(),
        }
        self._keeper.keep(
            Checkpoint(
                arrays=arrays,
                ema=ema,
                spec_text=self._job.spec.resolved(),
                fingerprint=self._graph.fingerprint,
                classes=source.classes,
                recipe=self._job.recipe.resolved(),
                metrics=metrics if over else {},
                epoch=epoch,
                step=step,
                source=without_folders(source.name),
            ),
            take(self._step, each),
            loop,
        )
