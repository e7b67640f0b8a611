"""A plan: everything that a run needs, checked before a framework is loaded; `--dry-run` shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from math import prod
from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import load
from cmt_dsl.errors import CmtError
from runtime.data.open import open_source
from runtime.data.source import View
from runtime.recipe.read import load_recipe
from runtime.run.directory import open_run
from runtime.train.describe import described, in_lines
from runtime.train.engine import framework
from runtime.train.plan import Plan, plan
from tests.cli.cmt import cmt
from tests.runtime.train.small import SETS
from tests.tiny import PICO, ROOT

TRAIN = ("train", PICO, "--recipe", "digits", "--data", "digits")


def planned(out: Path, *sets: str, **how: Any) -> Plan:
    return plan(str(PICO), "digits", "digits", out, sets=sets, **how)


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(tmp_path: Path) -> None:
    done = cmt(*TRAIN, "--dry-run", "--out", tmp_path / "r", "--set", "train.accumulate=2", cwd=tmp_path)
    assert done.code == 0, done.err
    assert list(tmp_path.iterdir()) == []
    for said in (
        "1,437 images to train on, 360 to validate",
        "64 × 2 steps = 128 an update",
        "40 epochs of 22 steps, 880 in all, 11 updates an epoch",
        "warm-up 2 epochs",
        "adamw, weight decay 0.05 on all but norms and biases",
        "initial weights of seed 0",
        "nothing was written",
    ):
        assert said in done.out, done.out


def test_the_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    made = planned(tmp_path / "r", "train.freeze=[stem]", "train.epochs=4", workers=2)
    told = described(made)
    assert told == json.loads(json.dumps(told))
    assert told["batch"] == {"worker": 64, "step": 128, "update": 128}
    assert told["steps_per_epoch"] == 1437 // 128 == made.steps_per_epoch
    assert told["steps"] == 4 * made.steps_per_epoch == len(made.rates)
    assert told["data"]["left_out_each_epoch"] == 1437 % 128
    frozen = sum(prod(p.shape) for p in made.graph.params if p.trainable and p.path.startswith("stem."))
    assert told["parameters"]["frozen"] == frozen > 0
    assert told["rates"]["peak"] == made.peak_rate >= max(made.rates)
    assert dict(in_lines(made))["frozen"] == "stem"
    assert "64 × 2 workers = 128 an update" in dict(in_lines(made))["images"]


def test_nothing_heavy_is_loaded_for_it(tmp_path: Path) -> None:
    words = [*map(str, TRAIN), "--dry-run", "--json", "--out", str(tmp_path / "r")]
    code = (
        f"import sys; sys.argv = ['cmt', *{words!r}]\nfrom runtime.cli.app import main\n"
        "try: main()\nexcept SystemExit as e: assert not e.code\n"
        "print([m for m in ('mindspore', 'torch', 'tensorboardX') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *_, told, heavy = done.stdout.splitlines()
    assert json.loads(told)["model"] and heavy == "[]"


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path: Path) -> None:
    out = open_run(tmp_path / "r", overwrite=False)
    wrong = {
        "CMT-703": lambda: planned(out),
        "CMT-505": lambda: planned(tmp_path / "new", "train.batch=2000"),
        "CMT-803": lambda: planned(tmp_path / "new", "train.freeze=[stam]"),
        "CMT-706": lambda: planned(tmp_path / "new", resume=True),
    }
    for code, call in wrong.items():
        with pytest.raises(CmtError) as found:
            call()
        assert found.value.code == code
    assert not (tmp_path / "new").exists()
    assert planned(out, overwrite=True).out == out


def test_a_plan_of_parts_is_checked_as_well(tmp_path: Path) -> None:
    model, recipe = load("cmt_nano", set={**SETS, "classes": 3}), load_recipe("digits")
    source = open_source("digits", View.of(model), augment=recipe.augment)
    with pytest.raises(CmtError) as found:
        Plan.of(model, recipe, source, tmp_path / "r")
    assert found.value.code == "CMT-502"


def test_an_unknown_engine_gets_the_list() -> None:
    assert framework().name == "mindspore"
    with pytest.raises(CmtError, match="there are mindspore") as found:
        framework("theano")
    assert found.value.code == "CMT-840"
