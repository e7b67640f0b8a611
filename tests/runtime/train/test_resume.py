"""`cmt train --resume`: exact after SIGKILL, and refused where the run would be another."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore

from cmt_dsl import build, load  # noqa: E402
from cmt_dsl.errors import CmtError  # noqa: E402
from runtime.checkpoint.file import load_arrays  # noqa: E402
from runtime.data.open import open_source  # noqa: E402
from runtime.data.source import View  # noqa: E402
from runtime.recipe.read import load_recipe  # noqa: E402
from runtime.run.directory import LAST, METRICS, OPTIMIZER, PREVIOUS  # noqa: E402
from runtime.train import resume  # noqa: E402
from tests.runtime.train.small import SETS as SMALL  # noqa: E402

ROOT = Path(__file__).parents[3]
PLAN = (
    "train.epochs=3", "train.batch=128", "train.val_every=2", "train.save_every=3", "train.log_every=4",
    "schedule.warmup_epochs=0.5", "train.accumulate=2", "train.ema={decay: 0.99, warmup: true}",
    "train.freeze=[stem]", "optimizer.layer_decay=0.8", "train.clip_norm=1",
)  # fmt: skip
MODEL = {**SMALL, "drop_path": 0.2}
SETS = [*PLAN, *(f"{k}={json.dumps(v)}" for k, v in MODEL.items())]
TIMES = {"time", "seconds", "images_per_second", "ms_per_step", "peak_memory"}


def command(out: str, *more: str) -> list[str]:
    sets = [word for text in SETS for word in ("--set", text)]
    words = ["train", "cmt_nano", "--recipe", "digits", "--data", "digits", "--out", out]
    return [sys.executable, "-m", "runtime.cli", *words, *sets, *more]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole run in whole/, a killed one in killed/ and its continuation in resumed/."""
    folder = tmp_path_factory.mktemp("resume")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(name: str, *more: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(command(name, *more), cwd=folder, env=env, stdout=log, stderr=log)

    process = start("killed")
    deadline = time.monotonic() + 480
    while not (folder / "killed" / LAST).exists():
        assert process.poll() is None and time.monotonic() < deadline, (folder / "killed.log").read_text()
        time.sleep(0.02)
    delay = random.uniform(0, 1.5)
    print(f"killed {delay:.3f} s after the first checkpoint")
    time.sleep(delay)
    process.kill()
    assert process.wait() == -9
    shutil.copytree(folder / "killed", folder / "resumed")
    others = {"whole": start("whole"), "resumed": start("resumed", "--resume")}
    for name, other in others.items():
        assert other.wait(timeout=480) == 0, (folder / f"{name}.log").read_text()
    return folder


def epochs(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in TIMES} for r in records if r["event"] == "epoch"]


def test_a_killed_run_resumes_bit_for_bit(runs: Path) -> None:
    step = resume.find(runs / "killed").step
    print(f"resumed after step {step} of 30")
    assert 3 <= step < 30
    for name in (LAST, OPTIMIZER, "best.safetensors"):
        whole, resumed = (load_arrays(runs / run / name)[0] for run in ("whole", "resumed"))
        assert whole.keys() == resumed.keys()
        for key, value in whole.items():
            np.testing.assert_array_equal(resumed[key], value, err_msg=f"{name} {key}")
    whole, resumed = epochs(runs / "whole"), epochs(runs / "resumed")
    assert [r["epoch"] for r in resumed] == [1, 2, 3]
    for one, other in zip(whole, resumed, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():  # a reported loss may differ in its last bit
            assert other[key] == (pytest.approx(value, rel=1e-6) if key.endswith("loss") else value), key


def test_what_people_see_goes_on_too(runs: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen: dict[str, Any] = {}
    for name in ("whole", "resumed"):
        board = EventAccumulator(str(runs / name / "tb"))
        board.Reload()
        # the loss is read every log_every steps of a process, and at the end of epochs
        ends = {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in ("epoch/top1", "epoch/lr")}
        last = board.Scalars("train/lr")[-1]
        kept = sorted(p.name for p in (runs / name).glob("epoch-*.safetensors"))
        found = json.loads((runs / name / "summary.json").read_text())
        facts = {
            k: found[k] for k in ("state", "steps", "epochs_done", "best_epoch", "best_top1", "parameters")
        }
        seen[name] = (ends, (last.step, last.value), kept, facts)
    assert seen["whole"] == seen["resumed"]
    assert seen["whole"][2] == ["epoch-002.safetensors", "epoch-003.safetensors"]
    assert seen["whole"][3]["state"] == "complete" and seen["whole"][1][0] == 30


def planned(*sets: str) -> tuple[str, ...]:
    """PLAN with other values."""
    given = {text.partition("=")[0] for text in sets}
    return (*(text for text in PLAN if text.partition("=")[0] not in given), *sets)


def refused(folder: Path, *, sets: tuple[str, ...] = (), model: dict[str, Any] | None = None) -> CmtError:
    spec, recipe = (
        load("cmt_nano", set={**MODEL, **(model or {})}),
        load_recipe("digits", overrides=planned(*sets)),
    )
    source = open_source("digits", View.of(spec), augment=recipe.augment)
    with pytest.raises(CmtError) as found:
        resume.require_same(resume.find(folder), spec, build(spec).fingerprint, recipe, source)
    return found.value


def test_another_run_is_refused_by_name(runs: Path) -> None:
    for error, says in (
        (refused(runs / "killed", model={"head.args.width": 128}), "graph"),
        (refused(runs / "killed", model={"drop_path": 0.1}), "was 'drop_path: 0.2', is 'drop_path: 0.1'"),
        (refused(runs / "killed", sets=("schedule.lr=0.1",)), "schedule.lr was 0.002, is 0.1"),
        (refused(runs / "killed", sets=("train.epochs=9",)), "train.epochs was 3, is 9"),
    ):
        assert error.code == "CMT-707" and says in str(error) and error.problems[0].hint
    error = refused(runs / "whole", sets=("train.log_every=1",))
    assert error.code == "CMT-706" and "complete" in str(error)


def test_other_data_are_refused(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.data.stores.digits.VAL_SIZE", 300)
    assert "1437 + 360 images (digits), is" in str(refused(runs / "killed"))


def test_a_longer_run_goes_on_where_its_past_stays_as_it_was(runs: Path) -> None:
    spec = load("cmt_nano", set=MODEL)
    plans = [
        load_recipe("digits", overrides=planned("schedule.decay_epochs=2", f"train.epochs={n}"))
        for n in (3, 9, 3)
    ]
    source = open_source("digits", View.of(spec), augment=plans[0].augment)
    point = resume.find(runs / "killed")
    point.checkpoint.recipe.update(plans[0].resolved())
    resume.require_same(point, spec, build(spec).fingerprint, plans[1], source)
    point.checkpoint.recipe.update(plans[1].resolved())
    with pytest.raises(CmtError, match=r"train\.epochs was 9, is 3"):
        resume.require_same(point, spec, build(spec).fingerprint, plans[2], source)


def test_a_kill_between_two_files_falls_back(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    shutil.copytree(runs / "killed", folder)
    point = resume.find(folder)
    (folder / point.beside).replace(folder / PREVIOUS)
    shutil.copy(runs / "whole" / OPTIMIZER, folder / OPTIMIZER)  # of a later step
    with (folder / METRICS).open("a") as file:
        file.write(json.dumps({"event": "epoch", "epoch": 3, "step": 33}) + '\n{"event": "ep')
    found = resume.find(folder)
    assert found.beside == PREVIOUS and found.step == point.step
    resume.reopen_run(folder, found)
    assert resume.find(folder).beside == OPTIMIZER
    assert all(r["step"] <= point.step for r in epochs(folder))
    (folder / OPTIMIZER).unlink()
    with pytest.raises(CmtError, match="no optimiser state is") as error:
        resume.find(folder)
    assert error.value.code == "CMT-706"


def test_nothing_to_resume(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for more, says in ((["--resume"], "CMT-706"), (["--resume", "--overwrite"], "replaces it")):
        done = subprocess.run(command("x", *more), cwd=tmp_path, env=env, text=True, capture_output=True)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "x").exists()
