"""A run read back from the files it left, without any framework: for reports, and for summary.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.atomic import write_atomically

METRICS, SUMMARY, PREDICTIONS = "metrics.jsonl", "summary.json", "predictions.json"
STATES = {"end": "complete", "stopped": "stopped", "failed": "failed"}


@dataclass(frozen=True)
class Record:
    """What metrics.jsonl says of a run, in its order."""

    folder: Path
    meta: dict[str, Any]
    """The newest of the records that a start or a resumption wrote."""
    events: tuple[dict[str, Any], ...]

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of a kind, such as "epoch"."""
        return [e for e in self.events if e["event"] == event]

    @property
    def state(self) -> str:
        """complete, stopped or failed; running: nothing says how it ended, which a kill leaves too."""
        return STATES.get(self.events[-1]["event"], "running")


def read_run(folder: str | Path) -> Record:
    """The run in `folder`; CMT-812 if there is none. A half-written last line is left out."""
    path = Path(folder) / METRICS
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        hint = "a run's directory is what cmt train had as --out"
        raise CmtError("CMT-812", f"cannot read {path}: {error.strerror}", hint=hint) from None
    events = [event for line in lines if (event := _event(line))]
    starts = [e for e in events if e["event"] in ("meta", "resumed")]
    if not starts:
        raise CmtError(
            "CMT-812", f"{path} does not say what was run", hint="has the run started its first step?"
        )
    return Record(Path(folder), starts[-1], tuple(events))


def _event(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def summary(run: Record) -> dict[str, Any]:
    """The run in one flat mapping, the same keys for every run; None where nothing is known (yet)."""
    meta, epochs, compiled = run.meta, run.of("epoch"), run.of("compiled")
    recipe = meta.get("recipe") or {}
    train, device = recipe.get("train") or {}, recipe.get("device") or {}
    last = epochs[-1] if epochs else {}
    validated = [e for e in epochs if e.get("top1") is not None]
    best = max(validated, key=lambda e: e[f"{_better(e)}top1"], default={})
    of = _better(best)
    cards, batch = meta.get("workers", 1), train.get("batch")
    ms = next((e["ms_per_step"] for e in reversed(run.events) if e.get("ms_per_step")), None)
    return {
        "state": run.state,
        "model": meta.get("model"),
        "fingerprint": meta.get("fingerprint"),
        "recipe": recipe.get("recipe"),
        "parameters": meta.get("parameters"),
        "image_size": meta.get("image_size"),
        "data": meta.get("source"),
        "train_images": meta.get("train_images"),
        "val_images": meta.get("val_images"),
        "data_notes": meta.get("data_notes", []),
        "device": meta.get("device"),
        "cards": cards,
        "batch": batch,
        "mode": device.get("mode"),
        "jit_level": device.get("jit_level"),
        "amp": device.get("amp"),
        "epochs": train.get("epochs"),
        "epochs_done": last.get("epoch", 0),
        "steps": max((e.get("step", 0) for e in run.events), default=0),
        "skipped_steps": last.get("skipped_steps"),
        "best_epoch": best.get("epoch"),
        "best_weights": ("ema" if of else "raw") if best else None,
        "best_top1": best.get(f"{of}top1"),
        "best_top5": best.get(f"{of}top5"),
        "last_top1": validated[-1]["top1"] if validated else None,
        "last_top5": validated[-1]["top5"] if validated else None,
        "train_loss": last.get("train_loss"),
        "val_loss": validated[-1].get("val_loss") if validated else None,
        "compile_seconds": compiled[-1]["seconds"] if compiled else None,
        "ms_per_step": ms,
        "images_per_second": round(cards * batch * 1000 / ms, 2) if ms and batch else None,
        "peak_memory": max((e.get("peak_memory") or 0 for e in run.events), default=0) or None,
        "train_seconds": round(sum(e.get("seconds") or 0 for e in epochs), 1),
        "command": meta.get("command"),
        "versions": meta.get("versions"),
    }


def _better(epoch: dict[str, Any]) -> str:
    """The prefix of the better weights' keys: the best checkpoint is the best of raw and averaged ones."""
    averaged = epoch.get("ema_top1")
    return "ema_" if averaged is not None and averaged > epoch["top1"] else ""


def write_summary(folder: Path) -> None:
    """summary.json of the run in `folder`, from its records as they are now; CMT-606, 812."""
    text = json.dumps(summary(read_run(folder)), ensure_ascii=False, indent=1)
    write_atomically(folder / SUMMARY, text.encode() + b"\n")
