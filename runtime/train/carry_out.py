"""A plan from its run directory to its summary, by this process or as one of msrun's workers."""

from __future__ import annotations

import contextlib
from typing import Any

from rich.console import Console

from cmt_dsl import __version__
from runtime.data.identity import total
from runtime.data.splitting import write_split
from runtime.device.environment import temporary_log
from runtime.jobs.world import SOLO
from runtime.msrun import alone
from runtime.run.directory import LOG, open_run
from runtime.run.interrupt import Watch
from runtime.train.engine import framework
from runtime.train.loop import train
from runtime.train.plan import Plan
from runtime.train.resume import reopen_run


def carry_out(
    plan: Plan,
    console: Console,
    *,
    overwrite: bool = False,
    distributed: bool | None = None,
    watch: Watch | None = None,
) -> dict[str, Any] | None:
    """Open the run directory and train; the summary, or None where that is another worker's to tell.

    `distributed` None: as the process was started. `watch` is an entered Watch. Raises what `train` raises.
    """
    by, out, source = framework(), plan.out, plan.source
    with contextlib.ExitStack() as stack:
        # all that can be wrong was looked at: whoever fails now fails before any worker waits for another
        world = SOLO if alone(distributed) else by.join(plan.recipe.device)
        by.require(plan.recipe.device, out)
        if world.first:
            reopen_run(out, plan.resume) if plan.resume else open_run(out, overwrite)
            if source.split is not None:
                write_split(out, source.split)
        facts = {"version": __version__, "spec": plan.graph.fingerprint, "recipe": plan.recipe.resolved()}
        data = [*source.classes, total(source.identity)]
        world.require_equal(**facts, data=data, resume=plan.resume is not None)
        log = out / LOG if world.first else stack.enter_context(temporary_log("worker"))
        stack.enter_context(by.session(log))
        summary = train(plan, by, console, world=world, watch=watch)
        return summary if world.first else None
