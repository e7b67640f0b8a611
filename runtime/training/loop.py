"""Train a model: the loop over epochs and steps, and what it leaves behind."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.data.imbalance import class_weights
from runtime.data.source import require_classes
from runtime.data.unreadable import LeftOut
from runtime.device.environment import mindspore, native_errors, set_device
from runtime.device.memory import warning
from runtime.device.world import on
from runtime.launch.pulse import Pulse
from runtime.recipe.read import check_against_data, decays_all
from runtime.run.directory import LOG, MODEL, Metrics
from runtime.run.facts import facts
from runtime.run.interrupt import Asked, Stopped, Watch
from runtime.run.progress import Progress, epoch_line
from runtime.training.agreement import Agreement
from runtime.training.feed import Feed
from runtime.training.job import Job
from runtime.training.ledger import Ledger
from runtime.training.resume import Point
from runtime.training.schedule import rates


def train(job: Job) -> dict[str, Any]:
    """Carry out the job; returns the summary.

    Raises CmtError for every foreseeable failure and Stopped after Ctrl-C or SIGTERM.
    """
    check_against_data(job.recipe, job.source.train_size, job.world.size)
    require_classes(job.source, job.spec.classes)
    with contextlib.ExitStack() as stack:
        if job.watch is None:
            job = replace(job, watch=stack.enter_context(Watch()))
        stack.enter_context(native_errors(job.out / LOG if job.world.first else None))
        return _Run(job).go()


class _Run:
    def __init__(self, job: Job):
        from cmt_dsl import build, to_cell
        from runtime.training.finetune import starting_point
        from runtime.training.saving import Saver
        from runtime.training.sink import sunk
        from runtime.training.state import equalise
        from runtime.training.step import in_precision, train_step

        spec, recipe, source, world = job.spec, job.recipe, job.source, job.world
        assert job.watch is not None
        self.job, self.recipe, self.source, self.world, self.watch = job, recipe, source, world, job.watch
        self.agreement, self.pulse = Agreement(world, job.watch), Pulse(world)
        self.device = set_device(recipe.device)
        seed = recipe.train.seed
        mindspore().set_seed(seed)
        self.graph = build(spec)
        start = None if job.resume else starting_point(recipe, self.graph, spec).arrays
        file = job.out / MODEL if world.first else None
        self.cell = to_cell(self.graph, seed=seed, weights=start, file=file)
        self.net = in_precision(self.cell, recipe.device.amp, recipe.device.amp_dtype)
        self.step = train_step(self.net, self.graph, recipe, decays_all(recipe, spec.profile_values), world)
        self.fed = sunk(self.step, recipe.train.sink)
        self.batch, self.epochs = recipe.train.batch, recipe.train.epochs
        self.everyone, self.group = self.batch * world.size, recipe.train.accumulate
        self.steps = recipe.steps_per_epoch(source.train_size, world.size)
        self.peak, self.rates = rates(recipe, source.train_size, world.size)
        balance, weighing = recipe.data.balance, recipe.loss.class_weights
        weights = class_weights(weighing, source.classes, source.train_labels, balance=balance)
        self.feed = Feed(recipe, spec.classes, self.rates, self.steps, world, weights)
        self.done, self.ledger = (
            0,
            Ledger(self._diverged, self._told, scaled=recipe.device.loss_scale is not None),
        )
        self.saver = Saver(job, self.graph, self.cell, self.step, self.ledger)
        self.first_epoch, self.compile_seconds = 1, 0.0
        self.left_out = LeftOut(source, world, recipe.data.max_bad)
        self.metrics_now: dict[str, Any] = {}
        if job.resume:
            self._continue(job.resume)
        equalise(self.cell, self.graph, world, seed)
        self.log = Metrics(
            job.out if world.first else None,
            "resumed" if job.resume else "meta",
            step=self.done,
            device=self.device,
            workers=world.size,
            **facts(spec, self.graph, recipe, source),
            steps_per_epoch=self.steps,
            peak_lr=self.peak,
        )

    def _continue(self, point: Point) -> None:
        from runtime.training.state import put

        put(point, self.cell, self.graph, self.step, self.world)
        self.ledger.restore(point.loop)
        self.done, self.first_epoch = point.step, point.checkpoint.epoch
        if point.loop["over"]:  # nothing of that epoch is left to do
            self.first_epoch, self.ledger.losses = self.first_epoch + 1, []

    def go(self) -> dict[str, Any]:
        began = time.monotonic()
        total = self.epochs * self.steps
        with Progress(self.job.console, total, self.epochs, self.everyone, self.done) as self.progress:
            self.progress.say(
                f"{self.source.train_size} images, {self.epochs} epochs of {self.steps} steps of "
                f"{self.everyone}{f', an update every {self.group}' if self.group > 1 else ''}, "
                f"peak learning rate {self.peak:.3g}, on {on(self.device, self.world)}"
            )
            if self.done:
                self.progress.say(f"resuming after step {self.done} of {total}")
            if self.device == "CPU" and (advice := warning(self.graph, self.batch)):
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
        order = self.source.train(self.batch, self.recipe.train.seed, epoch, self.world.shard, skip)
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
            "lr": self.rates[(self.done - 1) // self.group],
            "skipped_steps": self.ledger.skipped,
            "seconds": round(seconds, 3),
            "images_per_second": round(timed * self.everyone / seconds, 1) if timed else None,
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

    def _first(self, batch: Any) -> None:
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

    def _step(self, batch: Any) -> Any:
        loss, applied = self.fed(*self.feed.tensors(batch, self.done))
        self.done += 1
        return self.agreement.loss(loss), applied

    def _told(self, count: int, losses: list[float]) -> None:
        self.log.steps(self.done, count, losses, self.rates[(self.done - 1) // self.group], self.step)

    def _diverged(self, loss: float) -> None:
        kept = f"; the last good weights are in {self.saver.last}" if self.saver.last.exists() else ""
        raise CmtError(
            "CMT-702",
            f"the loss became {loss} by step {self.done}{kept}",
            hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
        )

    def _validate(self) -> dict[str, Any]:
        from runtime.training.average import measure
        from runtime.training.state import settle

        def look(done: int) -> None:
            if self.world.size == 1:
                self.watch.check()
            self.pulse.beat("validating", done)
            shown = min(done * self.world.size, self.source.val_size)
            self.progress.aside(f"validating {shown}/{self.source.val_size}")

        settle(self.cell, self.graph, self.world, self.step)
        return measure(self.net, self.step.average, self.source, self.batch, look, self.world)

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
