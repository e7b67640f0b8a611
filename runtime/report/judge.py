"""A run's best checkpoint on every held-out image, once, for confusion matrices and hardest images."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from runtime.array import Array
from runtime.checkpoint.file import Checkpoint
from runtime.checkpoint.load import restore
from runtime.data.held_out import Asked, held_out
from runtime.data.source import Source
from runtime.infer.backend import Backend, loaded
from runtime.infer.metrics import count, softmax
from runtime.report.predictions import Predictions, Shown, read_predictions, write_predictions
from runtime.report.thumbnail import data_url
from runtime.run.directory import BEST, LAST

HARDEST, SAMPLES, TOP = 24, 16, 3
LONGEST = 112  # pixels of an image that is shown


def predictions_of(
    folder: Path,
    data: str,
    *,
    by: Backend,
    asked: Asked | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Predictions, bool]:
    """Those of the run's best checkpoint (its last, where no epoch was validated), and whether they were known.

    They are evaluated where `predictions.json` is not of this checkpoint, these weights and `data`, then kept. `progress` is told how many of how many images are done. CMT-831 for a run without a checkpoint.
    """
    path = next((folder / name for name in (BEST, LAST) if (folder / name).exists()), None)
    if path is None:
        hint = f"cmt train … --out {folder} writes one at the end of each epoch"
        raise CmtError("CMT-831", f"{folder} has no checkpoint to evaluate", hint=hint)
    checkpoint, spec, graph = restore(path)
    opened = held_out(data, spec, checkpoint.recipe, checkpoint.classes, asked, path)
    source, recipe = opened.source, opened.recipe
    which = better_weights(checkpoint)
    facts = {"checkpoint": path.name, "fingerprint": checkpoint.fingerprint, "epoch": checkpoint.epoch,
             "step": checkpoint.step, "weights": which, "data": data, "part": opened.group.val_name,
             "images": source.val_size}  # fmt: skip
    known = _known(folder)
    if known is not None and {key: known.facts.get(key) for key in facts} == facts:
        return known, True
    batch = min(recipe.train.batch if recipe else 32, source.val_size)
    with by.session("report"):
        program = Program.of(graph, checkpoint.weights(which))
        compute = loaded(by, program, batch=batch, batches=-(-source.val_size // batch))
        found = judge(lambda images: compute(images)[0], source, batch, progress)
    found = Predictions({**facts, **found.facts, "backend": by.name}, found.classes, found.rows, found.shown)
    write_predictions(folder, found)
    return found, False


def better_weights(checkpoint: Checkpoint) -> str:
    """Which of "raw" and "ema" the epoch's validation found better, for a best epoch is the best of either."""
    raw, ema = (checkpoint.metrics.get(key) for key in ("top1", "ema_top1"))
    return "ema" if checkpoint.ema is not None and ema is not None and (raw is None or ema > raw) else "raw"


def judge(
    logits_of: Callable[[Array], Array],
    source: Source,
    batch: int,
    progress: Callable[[int, int], object] | None = None,
) -> Predictions:
    """Rows of every readable held-out image; pictures of the `HARDEST` and of samples.

    Images are kept only while they may be shown, so that memory does not grow with the data.
    """
    rows: list[tuple[int, int, float, float]] = []
    hardest: list[tuple[float, int, Any]] = []  # a heap: the easiest of them first
    samples: list[tuple[int, Any]] = []
    every, hits = max(1, source.val_size // SAMPLES), 0
    for part in source.val(batch):
        logits = logits_of(part.images)[: part.count].astype(np.float64)
        labels = part.labels[: part.count]
        hits += count(logits, labels)[0]
        chances = softmax(logits)
        order = np.argsort(-chances, axis=1, kind="stable")
        pixels = None
        for row, label in enumerate(labels.tolist()):
            index, guess, own = len(rows), int(order[row, 0]), float(chances[row, label])
            rows.append((label, guess, round(float(chances[row, guess]), 6), round(own, 6)))
            wanted = len(hardest) < HARDEST or -own > hardest[0][0]
            sampled = index % every == 0 and len(samples) < SAMPLES
            if not (wanted or sampled):
                continue
            pixels = source.pixels(part.images[: part.count]) if pixels is None else pixels
            name = part.name_of(row) if part.name_of else f"image {index}"
            top = tuple((int(c), round(float(chances[row, c]), 6)) for c in order[row, :TOP])
            seen = (name, top, pixels[row].copy())
            if wanted:
                (heapq.heappush if len(hardest) < HARDEST else heapq.heapreplace)(
                    hardest, (-own, -index, seen)
                )
            if sampled:
                samples.append((index, seen))
        if progress:
            progress(len(rows), source.val_size)
    listed = [("hardest", -index, seen) for _, index, seen in sorted(hardest, key=lambda h: (-h[0], -h[1]))]
    listed += [("sample", index, seen) for index, seen in samples]
    shown = tuple(
        Shown(index, why, name, top, data_url(pixels, LONGEST)) for why, index, (name, top, pixels) in listed
    )
    facts = {"top1": hits / len(rows), "bad_images": len(source.bad)}
    return Predictions(facts, tuple(source.classes), tuple(rows), shown)


def _known(folder: Path) -> Predictions | None:
    try:
        return read_predictions(folder)
    except CmtError:  # it is replaced
        return None
