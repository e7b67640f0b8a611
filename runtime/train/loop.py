"""Train a model: the loop over epochs and steps, and what it leaves behind; no framework."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cmt_dsl.errors import CmtError
from runtime.data.source import Batch
from runtime.device.memory import warning
from runtime.infer.evaluate import evaluate
from runtime.jobs.left_out import LeftOut
from runtime.jobs.pulse import Pulse
from runtime.jobs.world import SOLO, World, on
from runtime.run.directory import MODEL, Metrics
from runtime.run.facts import facts
from runtime.run.interrupt import Asked, Stopped, Watch
from runtime.run.progress import Progress, epoch_line
from runtime.train.agreement import Agreement
from runtime.train.engine import Framework, StepResult
from runtime.train.feed import Feed
from runtime.train.ledger import Ledger
from runtime.train.plan import Plan
from runtime.train.saving import CheckpointSaver
from runtime.train.state import equalise, give_back, settle


def train(
    plan: Plan, by: Framework, console: Console, *, world: World = SOLO, watch: Watch | None = None
) -> dict[str, Any]:
    """Carry out the plan into its opened run directory; returns the summary.

    `watch` is an entered Watch; without it signals are watched while the run lasts. Every worker of `world` calls this
    with the same plan; the first writes. Raises CmtError for every foreseeable failure and Stopped after Ctrl-C or SIGTERM.
    """
    with contextlib.ExitStack() as stack:
        watch = watch if watch is not None else stack.enter_context(Watch())
        return _Run(plan, by, console, world, watch).go()


class _Run:
    def __init__(self, plan: Plan, by: Framework, console: Console, world: World, watch: Watch):
        recipe = plan.recipe
        self.plan, self.recipe, self.source = plan, recipe, plan.source
        self.console, self.world, self.watch = console, world, watch
        self.agreement, self.pulse = Agreement(world, watch), Pulse(world)
        self.engine = by.open(plan, world, plan.out / MODEL if world.first else None)
        self.epochs, self.group, self.steps = (
            recipe.train.epochs,
            recipe.train.accumulate,
            plan.steps_per_epoch,
        )
        self.feed = Feed(plan, world)
        scaled = recipe.device.loss_scale is not None
        self.done, self.ledger = 0, Ledger(self._diverged, self._told, scaled=scaled)
        self.saver = CheckpointSaver(plan, self.engine, world, self.ledger)
        self.first_epoch, self.compile_seconds = 1, 0.0
        self.left_out = LeftOut(plan.source, world, recipe.data.max_bad)
        self.metrics_now: dict[str, Any] = {}
        if point := plan.resume:
            give_back(point, self.engine, plan.graph, world)
            self.ledger.restore(point.loop)
            self.done, self.first_epoch = point.step, point.checkpoint.epoch
            if point.loop["over"]:  # nothing of that epoch is left to do
                self.first_epoch, self.ledger.losses = self.first_epoch + 1, []
        equalise(self.engine, plan.graph, world, recipe.train.seed)
        self.log = Metrics(
            plan.out if world.first else None,
            "resumed" if plan.resume else "meta",
            self.engine.peak_memory,
            step=self.done,
            device=self.engine.device,
            workers=world.size,
            **facts(plan.model, plan.graph, recipe, plan.source),
            steps_per_epoch=self.steps,
            peak_lr=plan.peak_rate,
        )

    def go(self) -> dict[str, Any]:
        began = time.monotonic()
        plan, total = self.plan, self.plan.steps
        with Progress(self.console, total, self.epochs, plan.global_batch, self.done) as self.progress:
            self.progress.say(
                f"{self.source.train_size} images, {self.epochs} epochs of {self.steps} steps of "
                f"{plan.global_batch}{f', an update every {self.group}' if self.group > 1 else ''}, "
                f"peak learning rate {plan.peak_rate:.3g}, on {on(self.engine.device, self.world)}"
            )
            if self.done:
                self.progress.say(f"resuming after step {self.done} of {total}")
            if self.engine.device == "CPU" and (advice := warning(plan.graph, self.recipe.train.batch)):
                self.progress.say(advice)
            epoch, self.watch.patient = self.first_epoch, True
            try:
                for epoch in range(self.first_epoch, self.epochs + 1):
                    self._epoch(epoch)
            except Asked:
                number = self.watch.asked
                others = number is None  # the signal reached another worker
                raise Stopped(signal.SIGTERM if others else number, self._leave(epoch)) from None
            except CmtError as error:
                self.log.write("failed", step=self.done, code=error.code, reason=error.problems[0].message)
                raise
        self.pulse.beat("ended", self.done)
        summary = {
            "checkpoint": str(self.saver.last),
            "best_top1": self.saver.best,
            "epochs": self.epochs,
            "steps": self.done,
            "skipped_steps": self.ledger.skipped,
            "bad_images": [bad.name for bad in self.left_out.all],
            "data_notes": list(self.source.notes),
            "seconds": round(time.monotonic() - began, 1),
            "compile_seconds": self.compile_seconds,
            **self.metrics_now,
        }
        self.log.write("end", **summary)
        return summary

    def _epoch(self, epoch: int) -> None:
        began, timed = time.monotonic(), 0
        skip, every = self.done - (epoch - 1) * self.steps, self.recipe.train.save_every
        order = self.source.train(
            self.recipe.train.batch, self.recipe.train.seed, epoch, self.world.shard, skip
        )
        for batch in itertools.islice(order, self.steps - skip):  # an incomplete group of batches is left out
            self.agreement.check()
            self.pulse.beat("stepping" if self.compile_seconds else "compiling", self.done)
            if not self.compile_seconds:
                self._first(batch)
                self.progress.advance(epoch, self.ledger.last)
                began = time.monotonic()
            else:
                self.ledger.waiting.append(self._step(batch))
                timed += 1
                if read := len(self.ledger.waiting) >= self.recipe.train.log_every:
                    self.ledger.read()
                self.progress.advance(epoch, self.ledger.last if read else None)
            if every and self.done % every == 0 and self.done < epoch * self.steps:
                self._keep(epoch, over=False)
        self.ledger.read()
        seconds, losses = time.monotonic() - began, self.ledger.losses
        record: dict[str, Any] = {
            "epoch": epoch,
            "step": self.done,
            "train_loss": float(np.mean(losses)) if losses else None,
            "lr": self.plan.rates[(self.done - 1) // self.group],
            "skipped_steps": self.ledger.skipped,
            "seconds": round(seconds, 3),
            "images_per_second": round(timed * self.plan.global_batch / seconds, 1) if timed else None,
        }
        self.metrics_now = {"train_loss": record["train_loss"]}
        if epoch % self.recipe.train.val_every == 0 or epoch == self.epochs:
            self.metrics_now |= self._validate()
        self._name_bad()
        record["bad_images"] = len(self.left_out.all)
        self.log.write("epoch", **{**record, **{k: v for k, v in self.metrics_now.items() if k != "seconds"}})
        self._keep(epoch, over=True)
        self.ledger.losses = []
        self.progress.say(epoch_line(epoch, self.epochs, {**record, **self.metrics_now}))

    def _name_bad(self) -> None:
        """Say and record which images were newly found unreadable and left out."""
        for bad in self.left_out.news():
            self.progress.say(f"left out: cannot read {bad.name}: {bad.reason}")
            self.log.write("bad_image", step=self.done, file=bad.name, reason=bad.reason)

    def _first(self, batch: Batch) -> None:
        """The step that compiles the graph."""
        began = time.monotonic()
        self.log.pace.stop()
        with self.progress.waiting("compiling graph…"):
            self.ledger.waiting.append(self._step(batch))
            self.ledger.read()
        self.compile_seconds = max(round(time.monotonic() - began, 1), 0.1)
        self.progress.say(f"graph compiled, first step done in {self.compile_seconds} s")
        self.log.write("compiled", seconds=self.compile_seconds)
        self.log.pace.start()

    def _step(self, batch: Batch) -> StepResult:
        images, targets, rate = self.feed.arrays(batch, self.done)
        result = self.engine.step(images, targets, rate, asked=self.agreement.asked)
        self.done += 1
        self.agreement.note(result)
        return result

    def _told(self, count: int, losses: list[float]) -> None:
        rate = self.plan.rates[(self.done - 1) // self.group]
        self.log.steps(self.done, count, losses, rate, self.engine.loss_scale())

    def _diverged(self, loss: float) -> None:
        kept = f"; the last good weights are in {self.saver.last}" if self.saver.last.exists() else ""
        raise CmtError(
            "CMT-702",
            f"the loss became {loss} by step {self.done}{kept}",
            hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
        )

    def _validate(self) -> dict[str, Any]:
        def look(done: int) -> None:
            if self.world.size == 1:
                self.watch.check()
            self.pulse.beat("validating", done)
            shown = min(done * self.world.size, self.source.val_size)
            self.progress.aside(f"validating {shown}/{self.source.val_size}")

        settle(self.engine, self.plan.graph, self.world)
        found: dict[str, Any] = {}
        for mark in ("", "ema_") if self.recipe.train.ema is not None else ("",):
            with self.engine.computing(averaged=bool(mark)) as compute:
                measured = evaluate(compute, self.source, self.recipe.train.batch, look, self.world)
            found |= {f"{mark}top1": measured.top1, f"{mark}top5": measured.top5}
            found |= {f"{mark}val_loss": measured.loss, "images": measured.images}
        return found

    def _keep(self, epoch: int, *, over: bool) -> None:
        self.pulse.beat("saving", self.done)
        self.saver.keep(epoch, self.done, self.metrics_now, over=over)
        self.log.pace.start()

    def _leave(self, epoch: int) -> Path | None:
        """On a signal: the weights as they are."""
        self.log.write("stopped", step=self.done, epoch=epoch)
        if self.done:
            self._keep(epoch, over=False)
        self.pulse.beat("ended", self.done)
        self.world.require_equal(step=self.done)  # msrun kills the others as soon as one has left
        return self.saver.last if self.done else None
