"""What `make demo` does, through the real command line: train, then validate in a second process."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CMT = [sys.executable, "-m", "runtime.cli"]
NOISE = re.compile(r"WARNING|ERROR|Traceback|\[mindspore|rank_0", re.IGNORECASE)

pytestmark = pytest.mark.mindspore


def on_a_terminal(*words: str, cwd: Path) -> tuple[int, str]:
    """Run `cmt` on a pseudo-terminal of 80 columns; its exit code and all that it showed."""
    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": "80", "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*CMT, *words], stdin=follower, stdout=follower, stderr=follower, cwd=cwd, env=env, close_fds=True
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end has closed
            break
        if not part:
            break
        shown += part
    os.close(leader)
    return process.wait(), shown.decode(errors="replace")


def as_json(*words: str, cwd: Path) -> dict[str, object]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*CMT, *words, "--json"], capture_output=True, text=True, cwd=cwd, env=env, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    code, shown = on_a_terminal(
        "train", "cmt_nano", "--recipe", "digits", "--data", "digits", "--out", "run", cwd=folder
    )
    assert code == 0, shown[-3000:]
    return folder, shown


def test_the_demo_reaches_98_percent_and_a_second_process_agrees(run: tuple[Path, str]) -> None:
    folder, shown = run
    found = re.search(r"done in \d+ s: top-1 ([\d.]+)% on 360 images", " ".join(shown.split()))
    assert found, shown[-2000:]
    trained = float(found[1])
    assert trained >= 98.0
    validated = as_json("validate", "run/last.safetensors", "--data", "digits", cwd=folder)
    assert validated["images"] == 360
    assert abs(100 * float(str(validated["top1"])) - trained) < 0.006  # the line shows two decimals


def test_other_backends_decide_as_mindspore_on_every_image(run: tuple[Path, str]) -> None:
    folder, _ = run
    found = {}
    for backend in ("mindspore", "onnxruntime", "openvino"):
        words = ("--data", "digits", "--at", "head", "--backend", backend, "-o", f"{backend}.npz")
        as_json("features", "run/last.safetensors", *words, cwd=folder)
        with np.load(folder / f"{backend}.npz") as file:
            found[backend] = file["head"]
        (folder / f"{backend}.npz").unlink()
    expected = found.pop("mindspore")
    assert expected.shape == (360, 10)
    for backend, logits in found.items():
        assert (logits.argmax(1) == expected.argmax(1)).all(), backend
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        accuracy = as_json(
            "validate", "run/last.safetensors", "--data", "digits", "--backend", backend, cwd=folder
        )
        whole = as_json("validate", "run/last.safetensors", "--data", "digits", cwd=folder)
        assert accuracy["confusion"] == whole["confusion"]


def test_the_terminal_stays_clean(run: tuple[Path, str]) -> None:
    folder, shown = run
    assert not NOISE.search(shown), shown
    assert "compiling graph" in shown
    assert not list(folder.glob("rank_0*"))
    assert {p.name for p in folder.iterdir()} == {"run"}


def test_the_metrics_tell_the_run(run: tuple[Path, str]) -> None:
    folder, _ = run
    records = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert records[0]["event"] == "meta"
    assert records[0]["train_images"] == 1437
    assert records[0]["val_images"] == 360
    epochs = [record for record in records if record["event"] == "epoch"]
    assert [record["epoch"] for record in epochs] == list(range(1, len(epochs) + 1))
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert records[-1]["event"] == "end"


def test_a_block_of_a_new_topology_trains(tmp_path: Path) -> None:
    options = ["--set", "train.epochs=4", "--set", "schedule.warmup_epochs=1"]
    summary = as_json(
        "train",
        "example_parallel",
        "--recipe",
        "digits",
        "--data",
        "digits",
        "--out",
        "run",
        *options,
        cwd=tmp_path,
    )
    assert float(str(summary["top1"])) > 0.5  # one in ten is chance
    validated = as_json("validate", "run/last.safetensors", "--data", "digits", cwd=tmp_path)
    assert validated["top1"] == summary["top1"]
