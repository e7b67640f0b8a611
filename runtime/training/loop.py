"""Train a model: the loop over epochs and steps, and what it leaves behind."""

from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint
from runtime.data.mixing import mixed_batch, soft_targets
from runtime.data.source import Source, require_classes
from runtime.device.environment import mindspore, native_errors, set_device
from runtime.device.memory import warning
from runtime.recipe.read import check_against_data, decays_all
from runtime.recipe.schema import Recipe
from runtime.run.directory import LOG, MODEL, Keeper, Metrics
from runtime.run.interrupt import Asked, Stopped, Watch
from runtime.run.progress import Progress, epoch_line
from runtime.training.ledger import Ledger
from runtime.training.resume import Point
from runtime.training.schedule import rates

if TYPE_CHECKING:
    from rich.console import Console


def train(
    spec: Any,
    recipe: Recipe,
    source: Source,
    out: Path,
    console: Console,
    watch: Watch | None = None,
    resume: Point | None = None,
) -> dict[str, Any]:
    """Train `spec` by `recipe` on `source` into the opened run directory `out`; returns the summary.

    `watch` is an entered Watch; without it signals are watched from here on. `resume` is where the run in `out` goes
    on, checked by `resume.require_same`.
    Raises CmtError for every foreseeable failure and Stopped after Ctrl-C or SIGTERM.
    """
    check_against_data(recipe, source.train_size)
    require_classes(source, spec.classes)
    with contextlib.ExitStack() as stack:
        watch = watch if watch is not None else stack.enter_context(Watch())
        stack.enter_context(native_errors(out / LOG))
        return _Run(spec, recipe, source, out, console, watch, resume).go()


class _Run:
    def __init__(
        self,
        spec: Any,
        recipe: Recipe,
        source: Source,
        out: Path,
        console: Console,
        watch: Watch,
        resume: Point | None,
    ):
        from cmt_dsl import build, to_cell
        from runtime.training.finetune import starting_point
        from runtime.training.sink import sunk
        from runtime.training.step import in_precision, train_step

        self.spec, self.recipe, self.source, self.watch, self.console = spec, recipe, source, watch, console
        self.ms = mindspore()
        self.device = set_device(recipe.device)
        self.ms.set_seed(recipe.train.seed)
        self.graph = build(spec)
        start = None if resume else starting_point(recipe, self.graph).arrays
        self.cell = to_cell(self.graph, seed=recipe.train.seed, weights=start, file=out / MODEL)
        self.net = in_precision(self.cell, recipe.device.amp, recipe.device.amp_dtype)
        self.step = train_step(self.net, self.graph, recipe, decays_all(recipe, spec.profile_values))
        self.fed = sunk(self.step, recipe.train.sink)
        self.batch, self.epochs = recipe.train.batch, recipe.train.epochs
        self.steps, self.group = recipe.steps_per_epoch(source.train_size), recipe.train.accumulate
        self.peak, self.rates = rates(recipe, source.train_size)
        self.done, self.ledger = 0, Ledger(self._diverged)
        self.first_epoch, self.compile_seconds = 1, 0.0
        self.metrics_now: dict[str, Any] = {}
        self.keeper = Keeper(out, resume.loop["best"] if resume else None)
        if resume:
            self._continue(resume)
        self.log = Metrics(
            out,
            "resumed" if resume else "meta",
            step=self.done,
            device=self.device,
            model=spec.name,
            fingerprint=self.graph.fingerprint,
            recipe=recipe.resolved(),
            source=source.name,
            classes=list(source.classes),
            train_images=source.train_size,
            val_images=source.val_size,
            steps_per_epoch=self.steps,
            peak_lr=self.peak,
        )

    def _continue(self, point: Point) -> None:
        from runtime.training.state import put

        put(point, self.cell, self.graph, self.step)
        self.ledger.restore(point.loop)
        self.done, self.first_epoch = point.step, point.checkpoint.epoch
        if point.loop["over"]:  # nothing of that epoch is left to do
            self.first_epoch, self.ledger.losses = self.first_epoch + 1, []

    def go(self) -> dict[str, Any]:
        began = time.monotonic()
        total = self.epochs * self.steps
        with Progress(self.console, total, self.epochs, self.batch, self.done) as self.progress:
            self.progress.say(
                f"{self.source.train_size} images, {self.epochs} epochs of {self.steps} steps of "
                f"{self.batch}{f', an update every {self.group}' if self.group > 1 else ''}, "
                f"peak learning rate {self.peak:.3g}, on {self.device}"
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
                raise Stopped(self.watch.asked or 0, self._leave(epoch)) from None
        summary = {
            "checkpoint": str(self.keeper.last),
            "best_top1": self.keeper.best,
            "epochs": self.epochs,
            "steps": self.done,
            "skipped_steps": self.ledger.skipped,
            "seconds": round(time.monotonic() - began, 1),
            "compile_seconds": self.compile_seconds,
            **self.metrics_now,
        }
        self.log.write("end", **summary)
        return summary

    def _epoch(self, epoch: int) -> None:
        began, timed = time.monotonic(), 0
        skip, every = self.done - (epoch - 1) * self.steps, self.recipe.train.save_every
        batches = self.source.train(self.batch, self.recipe.train.seed, epoch) if skip < self.steps else ()
        for batch in itertools.islice(batches, skip, self.steps):  # those done before draw too
            self.watch.check()
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
            "images_per_second": round(timed * self.batch / seconds, 1) if timed else None,
        }
        self.metrics_now = {"train_loss": record["train_loss"]}
        if epoch % self.recipe.train.val_every == 0 or epoch == self.epochs:
            self.metrics_now |= self._validate()
        self.log.write("epoch", **{**record, **{k: v for k, v in self.metrics_now.items() if k != "seconds"}})
        self._keep(epoch, over=True)
        self.ledger.losses = []
        self.progress.say(epoch_line(epoch, self.epochs, {**record, **self.metrics_now}))

    def _first(self, batch: Any) -> None:
        """The step that compiles the graph."""
        began = time.monotonic()
        with self.progress.waiting("compiling graph…"):
            self.ledger.waiting.append(self._step(batch))
            self.ledger.read()
        self.compile_seconds = max(round(time.monotonic() - began, 1), 0.1)
        self.progress.say(f"graph compiled, first step done in {self.compile_seconds} s")
        self.log.write("compiled", seconds=self.compile_seconds)

    def _step(self, batch: Any) -> Any:
        targets = soft_targets(batch.labels, self.spec.classes, self.recipe.loss.label_smoothing)
        epoch, step = divmod(self.done, self.steps)
        seed, mix = self.recipe.train.seed, self.recipe.augment.mix
        images, targets = mixed_batch(batch.images, targets, mix, seed, epoch + 1, step)
        lr = self.ms.Tensor(self.rates[self.done // self.group], self.ms.float32)
        result = self.fed(self.ms.Tensor(images), self.ms.Tensor(targets), lr)
        self.done += 1
        return result

    def _diverged(self, loss: float) -> None:
        kept = f"; the last good weights are in {self.keeper.last}" if self.keeper.last.exists() else ""
        self.log.write("failed", step=self.done, reason="loss is not finite")
        raise CmtError(
            "CMT-702",
            f"the loss became {loss} by step {self.done}{kept}",
            hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
        )

    def _validate(self) -> dict[str, Any]:
        from runtime.training.average import measure

        def look(done: int) -> None:
            self.watch.check()
            self.progress.aside(f"validating {done}/{self.source.val_size}")

        return measure(self.net, self.step.average, self.source, self.batch, look)

    def _keep(self, epoch: int, *, over: bool) -> None:
        """Write the checkpoint; `over`: nothing of this epoch is left to do, otherwise nothing has validated it."""
        from cmt_dsl.lower.weights import read
        from runtime.training.average import averaged
        from runtime.training.state import take

        self.ledger.read()
        arrays = read(self.cell, self.graph)
        if not all(np.isfinite(a).all() for a in arrays.values()):
            raise CmtError(
                "CMT-702",
                "a weight is no longer a finite number; nothing was overwritten",
                hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
            )
        loop = {"over": over, "images": [self.source.train_size, self.source.val_size], **self.ledger.state()}
        self.keeper.keep(
            Checkpoint(
                arrays=arrays,
                ema=averaged(self.step),
                spec_text=self.spec.resolved(),
                fingerprint=self.graph.fingerprint,
                classes=self.source.classes,
                recipe=self.recipe.resolved(),
                metrics=self.metrics_now if over else {},
                epoch=epoch,
                step=self.done,
                source=self.source.name,
            ),
            take(self.step),
            loop,
        )

    def _leave(self, epoch: int) -> Path | None:
        """On a signal: the weights as they are."""
        self.log.write("stopped", step=self.done, epoch=epoch)
        if self.done == 0:
            return None
        self._keep(epoch, over=False)
        return self.keeper.last
