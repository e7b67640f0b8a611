"""`cmt train`, `validate` and `doctor` as a user runs them: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny import ATOM, ROOT

pytestmark = pytest.mark.mindspore

TRAIN = ["train", ATOM, "--recipe", "digits", "--data", "digits", "--out"]
SHORT = ["--set", "train.epochs=2", "--set", "schedule.warmup_epochs=0.5", "--set", "train.batch=128"]
BFLOAT16 = ["--set", "device.amp=O2", "--set", "device.amp_dtype=bfloat16"]


def cmt(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "runtime.cli", *words], cwd=cwd, env=env, text=True, capture_output=True
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a short run in r/."""
    folder = tmp_path_factory.mktemp("run")
    done = cmt(*TRAIN, "r", *SHORT, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "compiling graph" in done.stdout and "epoch 2/2" in done.stdout
    assert done.stderr == ""
    return folder


def test_run_leaves_checkpoints_metrics_and_nothing_else(run: Path) -> None:
    assert [p.name for p in run.iterdir()] == ["r"]
    records = [json.loads(line) for line in (run / "r" / "metrics.jsonl").read_text().splitlines()]
    assert [r["event"] for r in records] == ["meta", "compiled", "epoch", "epoch", "end"]
    assert records[-2]["images"] == 360 and records[0]["versions"]["mindspore"]
    assert {"last.safetensors", "best.safetensors"} <= {p.name for p in (run / "r").iterdir()}


@pytest.mark.parametrize("batch", ["64", "7"])
def test_validate_needs_only_the_checkpoint_and_counts_exactly(run: Path, batch: str) -> None:
    done = cmt("validate", "r/last.safetensors", "--data", "digits", "--batch", batch, "--json", cwd=run)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    trained = json.loads((run / "r" / "metrics.jsonl").read_text().splitlines()[-2])
    assert found["images"] == 360
    assert found["top1"] == trained["top1"] and found["loss"] == pytest.approx(trained["val_loss"], abs=1e-4)


def test_a_run_is_not_overwritten_unasked(run: Path) -> None:
    done = cmt(*TRAIN, "r", *SHORT, cwd=run)
    assert done.returncode == 2 and "already holds a run" in done.stderr and "--overwrite" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["validate", "none.safetensors", "--data", "digits"], "CMT-601"),
        (["validate", "r/metrics.jsonl", "--data", "digits"], "CMT-632"),
        (["validate", "r/last.safetensors", "--data", "nowhere"], "CMT-501"),
        (
            ["train", ATOM, "--recipe", "digit", "--data", "digits", "--out", "x"],
            "did you mean 'digits'?",
        ),
        (["train", ATOM, "--recipe", "digits", "--data", "nowhere", "--out", "x"], "CMT-501"),
        ([*TRAIN, "x", "--init", "none.safetensors"], "CMT-601"),
        ([*TRAIN, "x", "--init", "r/last.safetensors", "--set", "head.args.width=128"], "CMT-805"),
        ([*TRAIN, "x", "--init", "r/last.safetensors", "--set", "stages.1.depth=2"], "train.init_depth=true"),
        ([*TRAIN, "x", *BFLOAT16], "CMT-804"),
        ([*TRAIN, "x", *BFLOAT16, "--set", "device.target=CPU"], "CMT-804"),
        ([*TRAIN, "x", "--set", "device.target=GPU"], "is built for GPUs"),
        ([*TRAIN, "x", "--set", "train.freeze=[stem, stage.0]"], "did you mean 'stages.0'?"),
        ([*TRAIN, "x", "--set", "train.accumulate=99"], "64 × 99 per update"),
        (["validate", "r/last.safetensors", "--data", "digits", "--weights", "ema"], "CMT-806"),
        (
            [*TRAIN, "x", "--set", "classes=3"],
            "CMT-502",
        ),
        (
            [*TRAIN, "x", "--set", "train.batch=2000"],
            "CMT-505",
        ),
    ],
)
def test_mistakes_end_in_one_message(run: Path, words: list[str], says: str) -> None:
    done = cmt(*words, cwd=run)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert not (run / "x").exists()


def test_a_run_goes_on_from_other_weights_and_keeps_its_average_beside_its_own(run: Path) -> None:
    from runtime.checkpoint.file import load_checkpoint

    sets = ["train.epochs=1", "train.batch=256", "train.accumulate=2", "train.freeze=[stem, stages.0]"]
    sets += ["schedule.warmup_epochs=0", "train.ema={decay: 0.5}"]
    words = [word for text in sets for word in ("--set", text)]
    done = cmt(*TRAIN, "t", "--init", "r/last.safetensors", *words, cwd=run)
    assert done.returncode == 0, done.stderr
    assert "starting from the raw weights of r/last.safetensors (atom, epoch 2)" in done.stdout
    assert "1 epochs of 4 steps of 256, an update every 2" in done.stdout and "ema top-1" in done.stdout
    before, after = (load_checkpoint(run / name / "last.safetensors") for name in ("r", "t"))
    assert after.ema is not None and after.ema.keys() == after.arrays.keys()
    same = {path for path, value in after.arrays.items() if (value == before.arrays[path]).all()}
    assert same == {path for path in after.arrays if path.startswith(("stem.", "stages.0."))}
    assert all((after.ema[path] == before.arrays[path]).all() for path in same)
    for weights, metric in (("raw", "top1"), ("ema", "ema_top1")):
        words = ["validate", "t/last.safetensors", "--data", "digits", "--weights", weights, "--json"]
        done = cmt(*words, cwd=run)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["top1"] == after.metrics[metric]
    assert after.metrics["val_loss"] != after.metrics["ema_val_loss"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_loadable_checkpoint(tmp_path: Path, number: signal.Signals, code: int) -> None:
    words = [
        sys.executable,
        "-m",
        "runtime.cli",
        *TRAIN,
        "r",
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        words, cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    metrics = tmp_path / "r" / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not (metrics.exists() and '"compiled"' in metrics.read_text()):
        time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    assert "weights saved in r/last.safetensors" in out and "Traceback" not in err
    done = cmt("validate", "r/last.safetensors", "--data", "digits", "--json", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["images"] == 360


def test_doctor(tmp_path: Path) -> None:
    done = cmt("doctor", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert {"python", "numpy", "mindspore", "device"} <= {row["name"] for row in json.loads(done.stdout)}
    assert not list(tmp_path.iterdir())
