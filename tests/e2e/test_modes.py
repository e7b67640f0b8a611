"""The same recipe in PyNative mode and in mixed precision, by `--set` alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.test_demo import as_json
from tests.tiny import ATOM

pytestmark = pytest.mark.mindspore

MODES = {
    "pynative": ["device.mode=pynative"],
    "amp_o2": ["device.amp=O2", "device.loss_scale={initial: 1024, window: 100}"],
    "clipped": ["train.clip_norm=1.0"],
}


@pytest.mark.parametrize("mode", MODES)
def test_it_trains(mode: str, tmp_path: Path) -> None:
    sets = [
        "train.epochs=4",
        "train.batch=128",
        "schedule.lr=1e-2",
        "schedule.warmup_epochs=0.5",
        "train.val_every=4",
        *MODES[mode],
    ]
    words = [word for edit in sets for word in ("--set", edit)]
    summary = as_json(
        "train", ATOM, "--recipe", "digits", "--data", "digits", "--out", "run", *words, cwd=tmp_path
    )
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [r["train_loss"] for r in map(json.loads, lines) if r["event"] == "epoch"]
    assert losses[1] < losses[0] < 2.4  # ln 10 = 2.30 is chance
    assert float(str(summary["top1"])) > 0.3
    validated = as_json("validate", "run/last.safetensors", "--data", "digits", cwd=tmp_path)
    assert validated["images"] == 360
    # validation runs in float32, whatever the training did
    assert abs(float(str(validated["top1"])) - float(str(summary["top1"]))) < 0.02
