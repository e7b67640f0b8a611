"""A run directory: who may write there, metrics.jsonl and what follows from it, last and best checkpoints."""

from __future__ import annotations

import contextlib
import json
import math
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.atomic import link_atomically, remove_leftovers
from runtime.checkpoint.file import Checkpoint, save_arrays, save_checkpoint
from runtime.data.splitting import SPLIT
from runtime.run.board import TB, Board
from runtime.run.pace import Pace, process_memory
from runtime.run.record import METRICS, PREDICTIONS, STATES, SUMMARY, write_summary
from runtime.sharing import command
from runtime.versions import versions

LAST, BEST = "last.safetensors", "best.safetensors"
LOG, OPTIMIZER, MODEL = "mindspore.log", "last.optimizer.safetensors", "model.py"
PREVIOUS = "previous.optimizer.safetensors"
OWN = (METRICS, LAST, BEST, OPTIMIZER, PREVIOUS, LOG, MODEL, SUMMARY, PREDICTIONS, SPLIT)
EPOCHS = "epoch-*.safetensors"
STATE_KIND = "cmt-dsl optimizer state"


def require_free(folder: Path) -> None:
    """CMT-703 if the directory holds a run already."""
    held = [name for name in OWN[:5] if (folder / name).exists()]
    if held:
        raise CmtError(
            "CMT-703",
            f"{folder} already holds a run ({', '.join(held)})",
            hint="choose another --out, or add --resume to continue it, --overwrite to replace it",
        )


def open_run(folder: str | Path, overwrite: bool) -> Path:
    """Make the directory; CMT-703 if it holds a run already, unless `overwrite` (its files then go)."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not overwrite:
            require_free(folder)
        for name in OWN:
            (folder / name).unlink(missing_ok=True)
        remove_leftovers(folder, OWN)
        for kept in folder.glob(EPOCHS):
            kept.unlink()
        if (folder / TB).is_dir():
            shutil.rmtree(folder / TB)
        (folder / METRICS).touch()
    except OSError as error:
        raise CmtError("CMT-606", f"cannot write to {folder}: {error.strerror}") from None
    return folder


class Metrics:
    """metrics.jsonl: one record a line, each flushed as it is written; the first is {"event": "meta", …}.

    A resumed run adds {"event": "resumed", …}, with the same fields. What is written also goes to TensorBoard's event
    files, and at epochs and at the end to summary.json. Without a folder nothing is written. `memory` tells the most bytes
    held so far.
    """

    def __init__(
        self,
        folder: Path | None,
        event: str = "meta",
        memory: Callable[[], int] = process_memory,
        **meta: Any,
    ):
        self._folder = folder
        self._memory = memory
        self._board = Board(folder, int(meta.get("step", 0))) if folder is not None else None
        self.pace, self._scale = Pace(), None
        self.write(event, versions=versions(), machine=platform.machine(), command=command(sys.argv), **meta)

    def steps(
        self, step: int, count: int, losses: Sequence[float], lr: float, scale: float | None = None
    ) -> None:
        """`count` steps up to `step` were read: `losses` of those that counted, at a loss `scale` if there is one."""
        self.pace.window(count)
        if self._board is None:
            return
        if losses:
            self._board.write(step, {"train/loss": sum(losses) / len(losses)})
        self._scale = scale
        self._board.write(step, {"train/lr": lr, "train/loss_scale": scale})

    def write(self, event: str, **values: Any) -> None:
        """Add a record; CMT-606 if the disk does not take it."""
        if self._folder is None or self._board is None:
            return
        path = self._folder / METRICS
        speed: dict[str, Any] = {}
        if event == "epoch" or event in STATES:
            speed = {"ms_per_step": self.pace.ms_per_step, "peak_memory": self._memory()}
        if event == "epoch" and self._scale is not None:
            values["loss_scale"] = self._scale
        record: dict[str, Any] = {"event": event, "time": round(time.time(), 3), **values, **speed}
        record = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise CmtError(
                "CMT-606",
                f"cannot write {path}: {error.strerror}",
                hint="check the free space of the disk",
            ) from None
        if event == "epoch":
            numbers = {k: v for k, v in record.items() if k not in ("time", "step", "epoch")}
            self._board.write(record["step"], {f"epoch/{k}": v for k, v in numbers.items()})
        if speed:
            write_summary(self._folder)


class CheckpointFiles:
    """Writes last.safetensors, its optimiser state, best.safetensors when top-1 (raw or averaged) rises, and the `keep`
    best epochs.

    A kill at any moment leaves last.safetensors with an optimiser state of its step, the last or the previous one, and
    the kept epochs that this state lists. `loop` is what a resumed run finds there.
    """

    def __init__(self, folder: Path, keep: int = 0, loop: dict[str, Any] | None = None):
        loop = loop if loop is not None else {}
        self._folder, self._keep = folder, keep
        self.best: float | None = loop.get("best")
        self._kept: list[tuple[int, float]] = [(e, t) for e, t in loop.get("kept", ())]  # best first

    @property
    def last(self) -> Path:
        return self._folder / LAST

    def epoch(self, number: int) -> Path:
        """Where the checkpoint of an epoch is, if it is among the best."""
        return _epoch(self._folder, number)

    def keep(self, checkpoint: Checkpoint, state: dict[str, Any], loop: dict[str, Any]) -> None:
        """`checkpoint.metrics` without "top1" (the epoch was not validated) never becomes the best.

        `loop` is what the training loop needs to go on, as JSON.
        """
        checkpoint = replace(checkpoint, versions=versions())
        found = [checkpoint.metrics.get(name) for name in ("top1", "ema_top1")]
        top1 = max((value for value in found if value is not None), default=None)
        better = top1 is not None and (self.best is None or top1 > self.best)
        if better:
            self.best = top1
        if top1 is not None:
            # of equals the first
            ranked = sorted([*self._kept, (checkpoint.epoch, top1)], key=lambda e: -e[1])
            self._kept = ranked[: self._keep]
        header = {
            "kind": STATE_KIND,
            "format": "1",
            "fingerprint": checkpoint.fingerprint,
            "step": str(checkpoint.step),
            "epoch": str(checkpoint.epoch),
            "loop": json.dumps({**loop, "best": self.best, "kept": self._kept}),
        }
        with contextlib.suppress(FileNotFoundError):
            (self._folder / OPTIMIZER).replace(self._folder / PREVIOUS)
        save_arrays(self._folder / OPTIMIZER, state, header)
        kept = top1 is not None and checkpoint.epoch in dict(self._kept)
        names = [self.epoch(checkpoint.epoch)] * kept + [self._folder / BEST] * better + [self.last]
        save_checkpoint(names[0], checkpoint)
        for name in names[1:]:
            link_atomically(names[0], name)
        clear_epochs(self._folder, self._kept)


def clear_epochs(folder: Path, kept: Iterable[tuple[int, float]]) -> None:
    """Remove the epochs that are not among `kept`, (epoch, top-1): no longer, or a killed process was ahead with them."""
    names = {_epoch(folder, number) for number, _ in kept}
    for path in folder.glob(EPOCHS):
        if path not in names:
            path.unlink(missing_ok=True)


def _epoch(folder: Path, number: int) -> Path:
    return folder / EPOCHS.replace("*", f"{number:03}")
