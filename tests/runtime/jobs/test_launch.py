"""Two real workers under msrun: equal numbers, signals, death, and going on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from runtime.jobs.pulse import beats
from tests.tiny import ATOM, ROOT

pytestmark = pytest.mark.mindspore
CMT = [sys.executable, "-m", "runtime.cli"]
SETS = (
    "train.batch=32",
    "train.epochs=4",
    "train.val_every=2",
    "schedule.warmup_epochs=1",
    "train.save_every=4",
)
TRAIN = [
    "train",
    ATOM,
    "--recipe",
    "digits",
    "--data",
    "digits",
    *[w for s in SETS for w in ("--set", s)],
]


def started(words: list[str], cwd: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*CMT, "launch", "--workers", "2", "--", *words]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=cwd, env=env, text=True, **out)  # type: ignore[call-overload]


def finished(words: list[str], cwd: Path) -> str:
    job = started(words, cwd)
    said, _ = job.communicate(timeout=300)
    assert job.returncode == 0, said
    return said


def after_step(run: Path, starts: int, step: int) -> int:
    """Process of the second worker, once the `starts`-th start has trained that far."""
    until = time.monotonic() + 200
    while time.monotonic() < until:
        files = sorted((run / "workers").glob("*/pulse"))
        seen = beats(files[-1]) if len(files) == starts else [None, None]
        if seen[1] is not None and seen[1].phase == "stepping" and seen[1].step >= step:
            return seen[1].pid
        time.sleep(0.05)
    raise AssertionError(f"no worker has reached step {step}")


def survivors(run: Path) -> list[str]:
    return [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if run.name in (p.info["cmdline"] or [])
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished run in `whole-run/`."""
    path = tmp_path_factory.mktemp("launch")
    said = finished([*TRAIN, "--out", "whole-run"], path)
    assert "22 steps of 64" in said and "on 2 x CPU" in said
    return path


def weights(run: Path) -> dict[str, np.ndarray]:
    from runtime.checkpoint.file import load_arrays

    return load_arrays(run / "last.safetensors")[0]


def test_the_first_worker_alone_writes_the_run(folder: Path) -> None:
    records = [json.loads(line) for line in (folder / "whole-run/metrics.jsonl").read_text().splitlines()]
    assert [r["event"] for r in records] == ["meta", "compiled", *["epoch"] * 4, "end"]
    assert records[0]["workers"] == 2 and records[-1]["images"] == 360 and records[-1]["steps"] == 88


def test_two_workers_validate_what_one_does(folder: Path) -> None:
    words = ["validate", "whole-run/last.safetensors", "--data", "digits", "--batch", "50", "--json"]
    together = json.loads(finished(words, folder).splitlines()[-1])
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    alone = subprocess.run([*CMT, *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    one = json.loads(alone.stdout)
    assert together["images"] == one["images"] == 360
    assert (together["top1"], together["top5"]) == (one["top1"], one["top5"])
    assert together["loss"] == pytest.approx(one["loss"], rel=1e-6)


def test_a_run_stopped_and_killed_goes_on_to_the_same_weights(folder: Path) -> None:
    run = folder / "broken-run"
    words = [*TRAIN, "--out", run.name]
    job = started(words, folder)
    after_step(run, 1, 6)
    job.send_signal(signal.SIGTERM)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 143 and "stopped: weights saved in" in said, said
    assert not survivors(run)

    job = started([*words, "--resume"], folder)
    os.kill(after_step(run, 2, 26), signal.SIGKILL)
    began = time.monotonic()
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 2 and time.monotonic() - began < 60
    assert (
        "worker 1 died while stepping" in said and "SIGKILL [CMT-724]" in said and "worker_1.log" in said
    ), said
    assert not survivors(run)

    said = finished([*words, "--resume"], folder)
    resumed = re.search(r"resuming after step (\d+) of 88", said)
    assert resumed and 24 <= int(resumed[1]) < 88, said
    expected, found = weights(folder / "whole-run"), weights(run)
    assert expected.keys() == found.keys()
    different = [name for name in expected if not np.array_equal(expected[name], found[name])]
    assert not different


def test_a_stopped_worker_does_not_hold_the_others_for_ever(folder: Path) -> None:
    run = folder / "hung-run"
    job = started([*TRAIN, "--out", run.name], folder)
    os.kill(after_step(run, 1, 3), signal.SIGSTOP)
    began = time.monotonic()
    said, _ = job.communicate(timeout=90)
    assert job.returncode == 2 and time.monotonic() - began < 60
    assert "worker 1 is stopped" in said, said
    assert not survivors(run)


def test_a_worker_that_dies_before_its_first_sign_of_life(tmp_path: Path) -> None:
    """msrun itself would then wait ten minutes for its scheduler."""
    job = started([*TRAIN, "--out", "early-run"], tmp_path)
    victim, until = None, time.monotonic() + 60
    while victim is None and time.monotonic() < until:
        for process in psutil.Process(job.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                given = process.environ()
                if given.get("MS_ROLE") == "MS_WORKER" and given.get("RANK_ID") == "1":
                    victim = process
        time.sleep(0.05)
    assert victim is not None
    time.sleep(1)
    victim.kill()
    began = time.monotonic()
    said, _ = job.communicate(timeout=90)
    assert job.returncode == 2 and time.monotonic() - began < 60
    assert "worker 1 failed: SIGKILL [CMT-724]" in said, said
    assert not survivors(tmp_path / "early-run")


def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    job = started(["train", "cmt_nano", "--recipe", "digitz", "--data", "digits", "--out", "r"], tmp_path)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 2 and said.count("did you mean 'digits'?") == 1 and "Traceback" not in said
