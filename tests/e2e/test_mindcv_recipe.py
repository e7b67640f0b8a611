"""MindCV's published training file, unchanged, for 20 steps of CMT-S at 224 pixels, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests/runtime/recipe/mindcv/cmt_small_ascend.yaml"


def images(root: Path, classes: int, each: dict[str, int]) -> None:
    """JPEGs of several sizes in DIR/train/WNID and DIR/val/WNID, as ImageNet lies on disks."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in each.items():
        for number in range(classes):
            folder = root / split / f"n{number:08}"
            folder.mkdir(parents=True)
            for image in range(count):
                size = tuple(int(s) for s in rng.integers(200, 400, 2))
                blobs = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
                blobs.resize(size).save(folder / f"{folder.name}_{image}.JPEG", quality=60)


def test_the_published_file_trains_cmt_s_for_twenty_steps(tmp_path: Path) -> None:
    images(tmp_path / "imagenet", 10, {"train": 2, "val": 1})
    words = ["train", "--recipe", str(FILE), "--data", "imagenet", "--out", "r", "--set", "train.batch=2"]
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", *words, "--set", "train.epochs=2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for line in (
        "cmt train cmt_s  recipe cmt_small_ascend",
        "the recipe sets profile mindcv, classes 1000, input.size 224, drop_path 0.1",
        "not in this version: dataset_sink_mode",
        "the schedule has 300 epochs, the run 2: it ends within the warm-up",
        "classes 1000 → 10",
    ):
        assert line in done.stdout
    found = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert (found["state"], found["steps"], found["image_size"], found["amp"]) == (
        "complete",
        20,
        [224, 224],
        "O2",
    )
    assert 0 < found["skipped_steps"] < 20  # a scale of 2^24 is far too large, and is halved until it is not
    assert found["train_loss"] == pytest.approx(np.log(10), abs=0.7)
    assert found["ms_per_step"] > 0 and found["compile_seconds"] > 0 and found["peak_memory"] > 2**30

    from runtime.checkpoint.file import load_checkpoint

    trained = load_checkpoint(tmp_path / "r" / "last.safetensors")
    assert trained.step == 20 and all(np.isfinite(a).all() for a in trained.arrays.values())
    schedule = trained.recipe["schedule"]
    assert (schedule["lr"], schedule["warmup_epochs"], schedule["decay_epochs"]) == (0.002, 5, 295)
    assert trained.recipe["augment"]["randaugment"]["space"] == "mindcv"
