"""Continuing a run: what it left, whether it is the same run, and its metrics up to that point."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_dsl.diff.values import changes_of
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import below
from runtime.array import Array
from runtime.atomic import remove_leftovers, write_atomically
from runtime.checkpoint.file import Checkpoint, load_arrays, load_checkpoint
from runtime.data.identity import difference
from runtime.data.source import Source
from runtime.recipe.schema import Recipe
from runtime.run.directory import LAST, METRICS, OPTIMIZER, OWN, PREVIOUS, STATE_KIND, clear_epochs

FREE = (
    "doc",
    "pending",
    "notes",
    "model.name",
    "data.workers",
    "data.max_bad",
    "data.train_name",
    "data.val_name",
    "train.log_every",
    "train.save_every",
    "train.keep",
    "train.sink",
)
"""Recipe fields that change no number of a run."""


@dataclass(frozen=True)
class Continuation:
    """Where a run goes on: weights, the state beside them by name, and the counters of the loop."""

    checkpoint: Checkpoint
    state: dict[str, Array]
    loop: dict[str, Any]
    beside: str  # the file that held the state

    @property
    def step(self) -> int:
        return self.checkpoint.step


def find(folder: str | Path) -> Continuation:
    """The last good checkpoint of a run and the optimiser state of the same step; CMT-706, 601, 603."""
    folder = Path(folder)
    if not (folder / LAST).exists():
        raise CmtError(
            "CMT-706",
            f"{folder} holds no checkpoint to resume from",
            hint="leave out --resume to start the run; --overwrite if its directory holds files already",
        )
    checkpoint = load_checkpoint(folder / LAST)
    found = []
    for name in (OPTIMIZER, PREVIOUS):  # a kill between the two files leaves the fitting one as the previous
        try:
            state, header = load_arrays(folder / name)
        except CmtError as error:
            found.append(f"{name}: {error.code}")
            continue
        if (header.get("kind"), header.get("fingerprint")) != (STATE_KIND, checkpoint.fingerprint):
            found.append(f"{name}: of another model")
        elif "loop" not in header or header["step"] != str(checkpoint.step):
            found.append(f"{name}: of step {header.get('step')}")
        else:
            return Continuation(checkpoint, state, json.loads(header["loop"]), name)
    raise CmtError(
        "CMT-706",
        f"{folder / LAST} is of step {checkpoint.step}, but no optimiser state is ({'; '.join(found)})",
        hint="without its optimiser state a run cannot go on exactly; train again with another --out",
    )


def require_same(
    point: Continuation, spec: Any, fingerprint: str, recipe: Recipe, source: Source, workers: int = 1
) -> None:
    """CMT-707 unless spec, recipe and data are those of the run; CMT-706 if nothing is left to do.

    `train.epochs` may grow where that leaves the learning rates of the steps done as they were: with
    schedule.decay_epochs set.
    """
    old = point.checkpoint
    if fingerprint != old.fingerprint:
        raise _other(
            f"the run trains graph {old.fingerprint[:12]}, this spec builds {fingerprint[:12]}",
            "give the same model and --set as before",
        )
    if old.spec_text != spec.resolved():
        old_lines, new_lines = old.spec_text.splitlines(), spec.resolved().splitlines()
        pairs = zip([*old_lines, ""], [*new_lines, ""], strict=False)
        was, now = next(((a, b) for a, b in pairs if a != b), ("", ""))
        raise _other(f"the spec has changed: was '{was.strip()}', is '{now.strip()}'", "give the same --set")
    changed = _differences(old.recipe, recipe.resolved())
    if set(changed) == {"train.epochs"} and recipe.schedule.decay_epochs is not None:
        was, now = changed["train.epochs"]
        changed = {} if now > was else changed
    if changed:
        listed = ", ".join(f"{path} was {was}, is {now}" for path, (was, now) in sorted(changed.items()))
        hint = "give the same recipe and --set as before"
        if set(changed) == {"train.epochs"}:
            hint += (
                "; only with schedule.decay_epochs set can a run be made longer: else its past rates change"
            )
        raise _other(f"the recipe differs: {listed}", hint)
    held = (source.train_size, source.val_size)
    changed = difference(point.loop.get("data", {}), source.identity)
    if changed or tuple(point.loop["images"]) != held or old.classes != source.classes:
        was, now = point.loop["images"], held
        raise _other(
            f"the data differ: was {len(old.classes)} classes, {was[0]} + {was[1]} images ({old.source}), "
            f"is {len(source.classes)} classes, {now[0]} + {now[1]} images ({source.name})"
            + (f"; {changed}" if changed else ""),
            "give the same --data as before; a moved folder is fine",
        )
    was = point.loop.get("workers", 1)
    if was != workers:
        hint = f"cmt launch --workers {was} -- train … --resume" if was > 1 else "run it without cmt launch"
        raise _other(f"the run has {was} workers, this one {workers}: its batches would be others", hint)
    steps = recipe.steps_per_epoch(source.train_size, workers)
    if point.step >= recipe.train.epochs * steps and point.loop["over"]:
        raise CmtError(
            "CMT-706",
            f"the run is complete: {recipe.train.epochs} epochs, {point.step} steps",
            hint="train longer with another --out, or validate OUT/last.safetensors",
        )


def reopen_run(folder: Path, point: Continuation) -> None:
    """Make the directory what it was at `point`: its optimiser state the last one, its metrics up to its step."""
    try:
        remove_leftovers(folder, OWN)
        if point.beside != OPTIMIZER:
            (folder / point.beside).replace(folder / OPTIMIZER)
        clear_epochs(folder, point.loop.get("kept", ()))
    except OSError as error:
        raise CmtError("CMT-606", f"cannot write to {folder}: {error.strerror}") from None
    _cut_metrics(folder, point.step)


def _cut_metrics(folder: Path, step: int) -> None:
    """Drop from metrics.jsonl what happened after `step`, a half-written line, and how the run ended."""
    path = folder / METRICS
    kept = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    except OSError as error:
        raise CmtError("CMT-606", f"cannot read {path}: {error.strerror}") from None
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("event") != "end" and record.get("step", 0) <= step:
            kept.append(line + "\n")
    write_atomically(path, "".join(kept).encode())


def _differences(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """Both values of each field of two recipes that differ in what matters."""
    changes = changes_of(old, new, unsaid=())
    found = {f"{part}.{key}" if part else key: (was, now) for part, key, was, now in changes}
    return {path: both for path, both in found.items() if not any(below(path, free) for free in FREE)}


def _other(message: str, hint: str) -> CmtError:
    return CmtError("CMT-707", message, hint=hint)
