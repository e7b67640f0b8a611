"""Unreadable images that two workers met are all in the first one's records, and counted out once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.cli.test_data_cli import TINY
from tests.runtime.data.made import make_folder
from tests.tiny import ROOT

pytestmark = pytest.mark.mindspore
SPOILT = (
    "train/ant/000.jpg",
    "train/ant/001.jpg",
    "train/zebra/003.jpg",
    "val/ant/000.jpg",
    "val/ant/001.jpg",
)


def test_what_each_worker_left_out_is_counted_together(tmp_path: Path) -> None:
    data = make_folder(tmp_path / "d")
    for name in SPOILT:
        (data / name).write_bytes(b"spoilt")
    (tmp_path / "tiny.yaml").write_text(TINY)
    sets = [
        "classes=2",
        "train.epochs=2",
        "train.batch=12",
        "data.max_bad=5",
        "train.val_every=1",
        "schedule.warmup_epochs=0",
    ]
    words = ["train", "tiny.yaml", "--recipe", "digits", "--data", "d", "--out", "r"]
    command = [sys.executable, "-m", "runtime.cli", "launch", "--workers", "2", "--", *words]
    done = subprocess.run(
        [*command, *[word for text in sets for word in ("--set", text)]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(line) for line in (tmp_path / "r/metrics.jsonl").read_text().splitlines()]
    end = records[-1]
    assert sorted(Path(name).relative_to("d").as_posix() for name in end["bad_images"]) == sorted(SPOILT)
    assert end["images"] == 10 - 2
    assert [r["file"] for r in records if r["event"] == "bad_image"] == end["bad_images"]
    assert [r["bad_images"] for r in records if r["event"] == "epoch"] == [5, 5]
    assert done.stdout.count("left out: cannot read") == 5
