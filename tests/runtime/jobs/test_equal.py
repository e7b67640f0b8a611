"""Two workers with b images each make the step that one makes with 2b."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl import build, load
from cmt_dsl.weights.initial import initial
from tests.tiny import ATOM, ROOT

pytestmark = pytest.mark.mindspore
CMT = [sys.executable, "-m", "runtime.cli"]
STILL = (
    "drop_path=0", "head.args.dropout=0", "augment.shift=0", "augment.rotate=0", "train.epochs=1",
    "schedule.warmup_epochs=0", "schedule.lr=10", "optimizer={name: sgd, momentum: 0.9, weight_decay: 1e-4}",
    "train.freeze_norm=true",
)  # fmt: skip


def trained(cwd: Path, out: str, *more: str, workers: int = 1) -> dict[str, np.ndarray]:
    from runtime.checkpoint.file import load_arrays

    sets = [word for edit in (*STILL, *more) for word in ("--set", edit)]
    words = ["train", ATOM, "--recipe", "digits", "--data", "digits", "--out", out, *sets]
    command = [*CMT, *(["launch", "--workers", str(workers), "--"] if workers > 1 else []), *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    arrays, header = load_arrays(cwd / out / "last.safetensors")
    assert header["step"] == "1"
    record = json.loads((cwd / out / "metrics.jsonl").read_text().splitlines()[0])
    assert record["workers"] == workers and record["peak_lr"] == 10
    return arrays


def test_one_step_on_two_workers_is_one_step_on_twice_the_batch(tmp_path: Path) -> None:
    one = trained(tmp_path, "one", "train.batch=1400")
    two = trained(tmp_path, "two", "train.batch=700", workers=2)
    assert one.keys() == two.keys()
    apart = {name: float(np.abs(one[name] - two[name]).max()) for name in one}
    assert max(apart.values()) <= 1e-5, max(apart.items(), key=lambda item: item[1])
    print(f"largest difference {max(apart.values()):.1e}")
    before = initial(build(load(ATOM, set={"drop_path": 0, "head.args.dropout": 0})), 0)
    moved = max(float(np.abs(one[name] - before[name]).max()) for name in one)
    assert moved > 1e-2, moved  # the step is not so small that all would be equal
