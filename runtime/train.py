"""Train a model: the loop over epochs and steps, and what it leaves behind."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmt_dsl.errors import CmtError

from .checkpoint import Checkpoint
from .config import check_against_data, decays_all
from .data import Source, require_classes
from .environment import mindspore, native_errors, set_device
from .interrupt import Asked, Stopped, Watch
from .memory import warning
from .mixing import mixed_batch, soft_targets
from .progress import Progress, epoch_line
from .recipe import Recipe
from .run import LOG, MODEL, Keeper, Metrics
from .schedule import learning_rates

if TYPE_CHECKING:
    from rich.console import Console

MAX_OVERFLOWS = 40  # in a row: from 2^24, the scale has then long been 1


def train(
    spec: Any, recipe: Recipe, source: Source, out: Path, console: Console, watch: Watch | None = None
) -> dict[str, Any]:
    """Train `spec` by `recipe` on `source` into the opened run directory `out`; returns the summary.

    `watch` is an entered Watch; without it signals are watched from here on.
    Raises CmtError for every foreseeable failure and Stopped after Ctrl-C or SIGTERM.
    """
    check_against_data(recipe, source.train_size)
    require_classes(source, spec.classes)
    with contextlib.ExitStack() as stack:
        watch = watch if watch is not None else stack.enter_context(Watch())
        stack.enter_context(native_errors(out / LOG))
        return _Run(spec, recipe, source, out, console, watch).go()


class _Run:
    def __init__(self, spec: Any, recipe: Recipe, source: Source, out: Path, console: Console, watch: Watch):
        from cmt_dsl import build, to_cell

        from .step import in_precision, train_step

        self.spec, self.recipe, self.source, self.watch, self.console = spec, recipe, source, watch, console
        self.ms = mindspore()
        self.device = set_device(recipe.device)
        self.ms.set_seed(recipe.train.seed)
        self.graph = build(spec)
        self.cell = to_cell(self.graph, seed=recipe.train.seed, file=out / MODEL)
        self.net = in_precision(self.cell, recipe.device.amp)
        self.step = train_step(self.net, self.graph, recipe, decays_all(recipe, spec.profile_values))
        self.batch, self.epochs = recipe.train.batch, recipe.train.epochs
        self.steps = source.train_size // self.batch
        schedule = recipe.schedule.model_dump(exclude={"lr"})
        self.peak = recipe.peak_lr(self.batch)
        self.rates = learning_rates(self.peak, steps_per_epoch=self.steps, epochs=self.epochs, **schedule)
        self.done = self.skipped = self.overflows = 0
        self.metrics_now: dict[str, Any] = {}
        self.keeper = Keeper(out)
        self.log = Metrics(
            out,
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

    def go(self) -> dict[str, Any]:
        began = time.monotonic()
        total = self.epochs * self.steps
        with Progress(self.console, total, self.epochs, self.batch) as self.progress:
            self.progress.say(
                f"{self.source.train_size} images, {self.epochs} epochs of {self.steps} steps of "
                f"{self.batch}, peak learning rate {self.peak:.3g}, on {self.device}"
            )
            if self.device == "CPU" and (advice := warning(self.graph, self.batch)):
                self.progress.say(advice)
            epoch, self.watch.patient = 0, True
            try:
                for epoch in range(1, self.epochs + 1):
                    self._epoch(epoch)
            except Asked:
                raise Stopped(self.watch.asked or 0, self._leave(epoch)) from None
        summary = {
            "checkpoint": str(self.keeper.last),
            "best_top1": self.keeper.best,
            "epochs": self.epochs,
            "steps": self.done,
            "skipped_steps": self.skipped,
            "seconds": round(time.monotonic() - began, 1),
            "compile_seconds": self.compile_seconds,
            **self.metrics_now,
        }
        self.log.write("end", **summary)
        return summary

    def _epoch(self, epoch: int) -> None:
        began, losses, waiting = time.monotonic(), [], []
        for batch in self.source.train(self.batch, self.recipe.train.seed, epoch):
            self.watch.check()
            if self.done == 0:
                losses += self._first(batch)
                self.progress.advance(epoch, losses[-1] if losses else None)
                began = time.monotonic()
                continue
            waiting.append(self._step(batch))
            read = len(waiting) >= self.recipe.train.log_every
            if read:
                losses += self._read(waiting)
            self.progress.advance(epoch, losses[-1] if read and losses else None)
        losses += self._read(waiting)
        seconds = time.monotonic() - began
        timed = self.steps - (1 if epoch == 1 else 0)
        record: dict[str, Any] = {
            "epoch": epoch,
            "step": self.done,
            "train_loss": float(np.mean(losses)) if losses else None,
            "lr": self.rates[self.done - 1],
            "skipped_steps": self.skipped,
            "seconds": round(seconds, 3),
            "images_per_second": round(timed * self.batch / seconds, 1) if timed else None,
        }
        self.metrics_now = {"train_loss": record["train_loss"]}
        if epoch % self.recipe.train.val_every == 0 or epoch == self.epochs:
            self.metrics_now |= self._validate()
        self.log.write("epoch", **{**record, **{k: v for k, v in self.metrics_now.items() if k != "seconds"}})
        self._keep(epoch)
        self.progress.say(epoch_line(epoch, self.epochs, {**record, **self.metrics_now}))

    def _first(self, batch: Any) -> list[float]:
        """The step that compiles the graph."""
        began = time.monotonic()
        with self.progress.waiting("compiling graph…"):
            pending = [self._step(batch)]
            losses = self._read(pending)
        self.compile_seconds = round(time.monotonic() - began, 1)
        self.progress.say(f"graph compiled, first step done in {self.compile_seconds} s")
        self.log.write("compiled", seconds=self.compile_seconds)
        return losses

    def _step(self, batch: Any) -> Any:
        targets = soft_targets(batch.labels, self.spec.classes, self.recipe.loss.label_smoothing)
        epoch, step = divmod(self.done, self.steps)
        seed, mix = self.recipe.train.seed, self.recipe.augment.mix
        images, targets = mixed_batch(batch.images, targets, mix, seed, epoch + 1, step)
        lr = self.ms.Tensor(self.rates[self.done], self.ms.float32)
        result = self.step(self.ms.Tensor(images), self.ms.Tensor(targets), lr)
        self.done += 1
        return result

    def _read(self, waiting: list[Any]) -> list[float]:
        """Losses of the steps so far, in order; waits for the device and empties `waiting`."""
        losses = []
        for loss, applied in waiting:
            value = float(loss.asnumpy())
            if not bool(applied.asnumpy()):
                self.skipped, self.overflows = self.skipped + 1, self.overflows + 1
            elif math.isfinite(value):
                self.overflows = 0
                losses.append(value)
            if self.overflows > MAX_OVERFLOWS or (bool(applied.asnumpy()) and not math.isfinite(value)):
                kept = f"the last good weights are in {self.keeper.last}" if self.keeper.last.exists() else ""
                self.log.write("failed", step=self.done, reason="loss is not finite")
                raise CmtError(
                    "CMT-702",
                    f"the loss became {value} by step {self.done}" + (f"; {kept}" if kept else ""),
                    hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
                )
        waiting.clear()
        return losses

    def _validate(self) -> dict[str, Any]:
        from .evaluate import evaluate

        def look(done: int) -> None:
            self.watch.check()
            self.progress.aside(f"validating {done}/{self.source.val_size}")

        found = evaluate(self.net, self.source, self.batch, look)
        return {
            "top1": found["top1"],
            "top5": found["top5"],
            "val_loss": found["loss"],
            "images": found["images"],
        }

    def _keep(self, epoch: int) -> None:
        from cmt_dsl.lower.weights import read

        from .optim import optimizer_state

        arrays = read(self.cell, self.graph)
        if not all(np.isfinite(a).all() for a in arrays.values()):
            raise CmtError(
                "CMT-702",
                "a weight is no longer a finite number; nothing was overwritten",
                hint="lower schedule.lr, lengthen the warm-up, or set train.clip_norm=1",
            )
        state = optimizer_state(self.step.optimizer)
        for name in ("scale", "calm"):
            if hasattr(self.step, name):
                state[f"loss_{name}"] = np.array(getattr(self.step, name).asnumpy(), copy=True)
        self.keeper.keep(
            Checkpoint(
                arrays=arrays,
                spec_text=self.spec.resolved(),
                fingerprint=self.graph.fingerprint,
                classes=self.source.classes,
                recipe=self.recipe.resolved(),
                metrics=self.metrics_now,
                epoch=epoch,
                step=self.done,
                source=self.source.name,
            ),
            state,
        )

    def _leave(self, epoch: int) -> Path | None:
        """On a signal: the weights as they are."""
        self.log.write("stopped", step=self.done, epoch=epoch)
        if self.done == 0:
            return None
        self.metrics_now = {}
        self._keep(epoch)
        return self.keeper.last
