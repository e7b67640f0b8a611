"""What people see of a run: event files, summary.json, the kept epochs, the report; no framework needed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, load_arrays, load_checkpoint
from runtime.run.board import TB
from runtime.run.directory import BEST, LAST, OPTIMIZER, CheckpointFiles, Metrics, clear_epochs, open_run
from runtime.run.pace import Pace
from runtime.run.record import PREDICTIONS, read_run, summary
from runtime.run.table import columns

ROOT = Path(__file__).parents[3]
META: dict[str, Any] = {
    "device": "CPU",
    "workers": 2,
    "model": "tiny",
    "parameters": 26_091_880,
    "image_size": [160, 192],
    "recipe": {
        "recipe": "mine",
        "train": {"batch": 8, "epochs": 3},
        "device": {"mode": "graph", "amp": "O2", "jit_level": None},
    },
}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / TB))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def epoch(log: Metrics, number: int, top1: float) -> None:
    values = {"train_loss": 1 / number, "lr": 0.1, "skipped_steps": 0, "seconds": 2.0}
    log.write("epoch", epoch=number, step=4 * number, top1=top1, top5=1.0, val_loss=0.5, images=9, **values)


def test_event_files_hold_every_number_and_go_on_after_a_resumption(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "r", overwrite=False)
    log = Metrics(folder, **META)
    for step in (2, 4, 6, 8, 10):
        log.steps(step, 2, [1.0 / step, 3.0 / step], 0.01 * step)
        if step % 4 == 0:
            epoch(log, step // 4, 0.5)
    log.write("stopped", step=10, epoch=3)
    again = Metrics(folder, "resumed", step=8, **META)
    again.steps(10, 2, [7.0], 0.2)
    again.steps(12, 2, [], 0.3)  # all skipped: no loss to show
    epoch(again, 3, 0.75)
    found = scalars(folder)
    assert found["train/loss"] == [
        (s, pytest.approx(v)) for s, v in ((2, 1), (4, 0.5), (6, 1 / 3), (8, 0.25), (10, 7))
    ]
    assert found["train/lr"][-2:] == [(10, pytest.approx(0.2)), (12, pytest.approx(0.3))]
    assert found["epoch/top1"] == [(4, 0.5), (8, 0.5), (12, 0.75)]
    assert {"epoch/val_loss", "epoch/train_loss", "epoch/lr", "epoch/peak_memory"} <= set(found)
    assert "train/loss_scale" not in found  # float32 has none


def test_summary_is_there_from_the_first_epoch_on(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "r", overwrite=False)
    log = Metrics(folder, **META)
    assert not (folder / "summary.json").exists()
    log.write("compiled", seconds=12.5)
    log.pace.start()
    for number, top1 in ((1, 0.5), (2, 0.75), (3, 0.75)):
        log.steps(4 * number, 4, [1.0], 0.1)
        epoch(log, number, top1)
        found = json.loads((folder / "summary.json").read_text())
        assert (found["state"], found["epochs_done"], found["steps"]) == ("running", number, 4 * number)
    log.write("stopped", step=12, epoch=3)
    found = json.loads((folder / "summary.json").read_text())
    assert found == summary(read_run(folder))
    assert found["state"] == "stopped" and found["compile_seconds"] == 12.5
    assert (found["best_epoch"], found["best_top1"], found["last_top1"]) == (2, 0.75, 0.75)
    assert found["images_per_second"] == pytest.approx(2 * 8 * 1000 / found["ms_per_step"], rel=1e-3)
    assert found["peak_memory"] > 2**20 and not list(folder.glob(".*"))
    log.write("failed", step=12, reason="loss is not finite")
    assert json.loads((folder / "summary.json").read_text())["state"] == "failed"


def test_the_best_of_raw_and_averaged_weights_is_the_best(tmp_path: Path) -> None:
    log = Metrics(open_run(tmp_path / "r", overwrite=False), **META)
    told = {"train_loss": 1.0, "lr": 0.1, "top5": 0.9, "ema_top5": 0.95}
    for number, (raw, averaged) in enumerate([(0.5, 0.1), (0.6, 0.7), (0.7, 0.7)], 1):
        log.write("epoch", epoch=number, step=4 * number, top1=raw, ema_top1=averaged, **told)
    found = summary(read_run(tmp_path / "r"))
    assert (found["best_epoch"], found["best_weights"], found["best_top1"]) == (2, "ema", 0.7)
    assert found["best_top5"] == 0.95 and found["last_top1"] == 0.7
    assert columns(found)["weight"] == "best.safetensors (epoch 2, ema)"


def test_workers_but_the_first_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = Metrics(None, **META)
    log.steps(1, 1, [1.0], 0.1)
    epoch(log, 1, 0.5)
    assert not list(tmp_path.iterdir())


def test_pace_is_the_median_of_what_is_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 10.0, 10.5])
    monkeypatch.setattr("runtime.run.pace.time.perf_counter", lambda: next(now))
    pace = Pace()
    pace.window(5)  # before anything was started: compilation
    assert pace.ms_per_step is None
    pace.start()
    pace.window(10)  # 100 ms each
    pace.window(10)  # 200 ms each
    pace.stop()
    pace.window(1)
    pace.start()
    pace.window(10)  # 50 ms each
    assert pace.ms_per_step == 100


def checkpoint(number: int, top1: float | None) -> Checkpoint:
    metrics = {} if top1 is None else {"top1": top1}
    arrays = {"w": np.full(3, number, np.float32)}
    return Checkpoint(arrays, "model: x", "f" * 64, ("a", "b"), {}, metrics, number, 10 * number, "digits")


def keep(keeper: CheckpointFiles, number: int, top1: float | None) -> None:
    keeper.keep(checkpoint(number, top1), {"m": np.zeros(1, np.float32)}, {})


def epochs(folder: Path) -> list[int]:
    return sorted(int(p.stem.split("-")[1]) for p in folder.glob("epoch-*.safetensors"))


def loop(folder: Path) -> dict[str, Any]:
    return json.loads(load_arrays(folder / OPTIMIZER)[1]["loop"])


def test_the_best_epochs_are_kept(tmp_path: Path) -> None:
    keeper = CheckpointFiles(tmp_path, 2)
    kept = []
    for number, top1 in enumerate([0.5, 0.7, None, 0.6, 0.7, 0.9, 0.1], 1):
        keep(keeper, number, top1)
        kept.append(epochs(tmp_path))
        assert load_checkpoint(tmp_path / LAST).epoch == number
    assert kept == [[1], [1, 2], [1, 2], [2, 4], [2, 5], [2, 6], [2, 6]]  # of equals the first
    assert load_checkpoint(tmp_path / BEST).epoch == 6 and load_checkpoint(keeper.epoch(6)).epoch == 6
    assert loop(tmp_path) == {"best": 0.9, "kept": [[6, 0.9], [2, 0.7]]}
    again = CheckpointFiles(tmp_path, 2, loop(tmp_path))  # a resumed run knows them
    keep(again, 8, 0.8)
    assert epochs(tmp_path) == [6, 8] and load_checkpoint(tmp_path / BEST).epoch == 6


def test_keep_0_keeps_last_and_best_alone(tmp_path: Path) -> None:
    keeper = CheckpointFiles(tmp_path, 0)
    for number, top1 in enumerate([0.5, 0.4], 1):
        keep(keeper, number, top1)
    assert {p.name for p in tmp_path.glob("*.safetensors")} == {
        LAST,
        BEST,
        OPTIMIZER,
        "previous.optimizer.safetensors",
    }
    assert load_checkpoint(tmp_path / BEST).epoch == 1 and load_checkpoint(tmp_path / LAST).epoch == 2


@pytest.mark.parametrize("write", range(3))
def test_a_kill_leaves_the_kept_epochs_of_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Whichever write of epoch 3 is the last that is done, the epochs that the resumed point lists are there."""
    keeper = CheckpointFiles(tmp_path, 2)
    keep(keeper, 1, 0.5)
    keep(keeper, 2, 0.6)
    done = iter(range(9))

    class Kill(Exception):
        pass

    for name in ("save_arrays", "save_checkpoint", "link_atomically"):
        real = getattr(sys.modules["runtime.run.directory"], name)

        def until(*args: Any, real: Any = real) -> None:
            if next(done) > write:
                raise Kill
            real(*args)

        monkeypatch.setattr(f"runtime.run.directory.{name}", until)
    with pytest.raises(Kill):
        keep(keeper, 3, 0.7)
    assert epochs(tmp_path)[:2] == [1, 2]
    clear_epochs(tmp_path, [(2, 0.6), (1, 0.5)])  # as a resumption from the checkpoint of epoch 2 does
    assert epochs(tmp_path) == [1, 2]


def test_overwriting_clears_everything(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "r", overwrite=False)
    epoch(Metrics(folder, **META), 1, 0.5)
    keep(CheckpointFiles(folder, 1), 1, 0.5)
    (folder / PREDICTIONS).write_text("of other weights")
    assert epochs(folder) and (folder / TB).is_dir()
    open_run(folder, overwrite=True)
    assert [p.name for p in folder.iterdir()] == ["metrics.jsonl"]


def cmt(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "runtime.cli", "report", *words]
    return subprocess.run(command, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, text=True, capture_output=True)


def test_report_has_mindcvs_columns_from_the_files_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        log = Metrics(open_run(tmp_path / name, overwrite=False), **META)
        log.write("compiled", seconds=1210.0)
        if name != "d":
            epoch(log, 1, 0.8315)
    (tmp_path / "a" / "summary.json").unlink()
    with (tmp_path / "a" / "metrics.jsonl").open("a") as file:
        file.write('{"event": "epoch", "epo')  # a kill while writing
    done = cmt("a", "b", "c", "d", cwd=tmp_path)
    assert done.returncode == 0
    assert not [m for m in ("mindspore", "tensorboardX", "numpy") if f" {m}\n" in done.stderr]
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    names = ("model name", "params(M)", "cards", "batch size", "resolution", "jit level", "graph compile", "ms/step",
             "img/s", "acc@top1", "acc@top5", "recipe", "weight")  # fmt: skip
    rows = {name: next(line for line in lines if line.startswith(name)) for name in names}
    assert rows["params(M)"].split() == ["params(M)", "26.09", "26.09", "26.09"]
    assert rows["graph compile"].count("1210.0 s") == 3 and rows["acc@top1"].count("83.15%") == 3
    assert rows["cards"].count("2 × CPU") == 3 and "192x160" in rows["resolution"]
    assert lines[-3:][0].split()[:1] and "–" in done.stdout  # d has no epoch yet
    found = json.loads(cmt("a", "d", "--json", cwd=tmp_path).stdout)
    assert [f["run"] for f in found] == ["a", "d"] and found[0]["best_top1"] == 0.8315
    assert found[1]["best_top1"] is None and math.isclose(found[1]["compile_seconds"], 1210)


def test_a_line_of_metrics_ends_with_a_newline_alone(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "r", overwrite=False)
    Metrics(folder, **{**META, "model": "a\u2028b\x85c"})
    assert read_run(folder).meta["model"] == "a\u2028b\x85c"


@pytest.mark.parametrize("text", [None, "", "nonsense\n[1]\n"])
def test_no_run_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(CmtError) as found:
        read_run(tmp_path)
    assert found.value.code == "CMT-812" and found.value.problems[0].hint
