"""Checkpoints of a run under way: what is written, and what is never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint
from runtime.jobs.world import World
from runtime.run.directory import CheckpointFiles
from runtime.sharing import without_folders
from runtime.train.engine import Engine
from runtime.train.ledger import Ledger
from runtime.train.plan import Plan
from runtime.train.state import kept, statistics


class CheckpointSaver:
    """Writes weights, step state and the loop's counters; every worker calls it, the first writes."""

    def __init__(self, plan: Plan, engine: Engine, world: World, ledger: Ledger):
        self._plan, self._engine, self._world, self._ledger = plan, engine, world, ledger
        loop = plan.resume.loop if plan.resume else None
        self._files = CheckpointFiles(plan.out, plan.recipe.train.keep, loop)

    @property
    def last(self) -> Path:
        return self._files.last

    @property
    def best(self) -> float | None:
        """Highest top-1 so far."""
        return self._files.best

    def keep(self, epoch: int, step: int, metrics: dict[str, Any], *, over: bool) -> None:
        """Write the checkpoint; `over`: nothing of this epoch is left to do, otherwise nothing has validated it."""
        self._ledger.read()
        plan, world, engine = self._plan, self._world, self._engine
        arrays, ema = engine.weights(), engine.averaged()
        own = statistics(arrays, plan.graph)
        each = world.each({**own, **engine.alone()})
        arrays |= world.mean(own)
        if ema is not None:
            ema |= world.mean(statistics(ema, plan.graph))
        if not all(np.isfinite(a).all() for a in arrays.values()):
            raise CmtError(
                "CMT-702",
                "a weight is no longer a finite number; nothing was overwritten",
                hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
            )
        if not world.first:
            return
        source = plan.source
        loop = {
            "over": over,
            "images": [source.train_size, source.val_size],
            "data": source.identity,
            "workers": world.size,
            **self._ledger.state(),
        }
        self._files.keep(
            Checkpoint(
                arrays=arrays,
                ema=ema,
                spec_text=plan.model.resolved(),
                fingerprint=plan.graph.fingerprint,
                classes=source.classes,
                recipe=plan.recipe.resolved(),
                metrics=metrics if over else {},
                epoch=epoch,
                step=step,
                source=without_folders(source.name),
            ),
            kept(engine, each),
            loop,
        )
