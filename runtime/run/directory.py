"""A run directory: who may write there, metrics.jsonl, last and best checkpoints."""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, save_arrays, save_checkpoint

METRICS, LAST, BEST = "metrics.jsonl", "last.safetensors", "best.safetensors"
LOG, OPTIMIZER, MODEL = "mindspore.log", "last.optimizer.safetensors", "model.py"
PREVIOUS = "previous.optimizer.safetensors"
OWN = (METRICS, LAST, BEST, OPTIMIZER, PREVIOUS, LOG, MODEL)
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
        (folder / METRICS).touch()
    except OSError as error:
        raise CmtError("CMT-606", f"cannot write to {folder}: {error.strerror}") from None
    return folder


def versions() -> dict[str, str]:
    """Of everything that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("cmt-dsl", "mindspore", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "checkout" if package == "cmt-dsl" else "missing"
    return found


class Metrics:
    """metrics.jsonl: one record a line, each flushed as it is written; the first is {"event": "meta", …}.

    A resumed run adds {"event": "resumed", …}, with the same fields. Without a folder nothing is written.
    """

    def __init__(self, folder: Path | None, event: str = "meta", **meta: Any):
        self._path = folder / METRICS if folder is not None else None
        self.write(
            event, versions=versions(), machine=platform.machine(), command=shlex.join(sys.argv), **meta
        )

    def write(self, event: str, **values: Any) -> None:
        if self._path is None:
            return
        record = {"event": event, "time": round(time.time(), 3), **values}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise CmtError(
                "CMT-606",
                f"cannot write {self._path}: {error.strerror}",
                hint="check the free space of the disk",
            ) from None


class Keeper:
    """Writes last.safetensors, its optimiser state, and best.safetensors when top-1 rises.

    A kill at any moment leaves last.safetensors with an optimiser state of its step: the last or the previous one.
    """

    def __init__(self, folder: Path, best: float | None = None):
        self._folder = folder
        self.best = best

    @property
    def last(self) -> Path:
        return self._folder / LAST

    def keep(self, checkpoint: Checkpoint, state: dict[str, Any], loop: dict[str, Any]) -> None:
        """`checkpoint.metrics` without "top1" (the epoch was not validated) never becomes the best.

        `loop` is what the training loop needs to go on, as JSON.
        """
        checkpoint = replace(checkpoint, versions=versions())
        top1 = checkpoint.metrics.get("top1")
        better = top1 is not None and (self.best is None or top1 > self.best)
        if better:
            self.best = top1
        header = {
            "kind": STATE_KIND,
            "format": "1",
            "fingerprint": checkpoint.fingerprint,
            "step": str(checkpoint.step),
            "epoch": str(checkpoint.epoch),
            "loop": json.dumps({**loop, "best": self.best}),
        }
        with contextlib.suppress(FileNotFoundError):
            (self._folder / OPTIMIZER).replace(self._folder / PREVIOUS)
        save_arrays(self._folder / OPTIMIZER, state, header)
        if better:
            save_checkpoint(self._folder / BEST, checkpoint)
        save_checkpoint(self.last, checkpoint)
