"""inspect, verify, diff and average as a user starts them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.checkpoint.file import load_checkpoint, save_arrays
from tests.cli.cmt import cmt, process
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, saved

NANO = checkpoint_of()


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    return saved(tmp_path / "nano.safetensors", NANO)


def test_inspect_is_readable_at_80_columns(nano: Path) -> None:
    done = cmt("inspect", nano)
    assert done.code == 0 and all(len(line) <= 80 for line in done.out.splitlines())
    for part in ("cmt_nano", "3, 32, 32", "digits", NANO.fingerprint, "top1 0.5", "stages.2", "316,506"):
        assert part in done.out
    assert "yes, from its spec" in done.out and "!" not in done.out


@pytest.mark.parametrize(("level", "count"), [("stage", 5), ("block", 13), ("param", 219)])
def test_inspect_as_json(nano: Path, level: str, count: int) -> None:
    found = cmt("inspect", nano, "--level", level, "--json").json
    assert len(found["parts"]) == count and found["total"]["params"] == 316_506
    assert found["epoch"] == 3 and found["rebuilt"] is True and found["classes"] == list(NANO.classes)
    if level == "param":
        assert found["parts"][0]["shape"] == [16, 3, 3, 3] and found["parts"][0]["dtype"] == "float32"


def test_inspect_tells_what_is_wrong(tmp_path: Path) -> None:
    bias = np.array([np.nan, 1, 2], np.float32)
    var = np.array([0, 1, -1], np.float32)
    weight = np.zeros((3, 3, 1, 1), np.float32)
    at = "stages__0__blocks__0__"
    path = saved(
        tmp_path / "x",
        **{f"{at}conv__bias": bias, f"{at}norm__running_var": var, f"{at}conv__weight": weight},
    )
    done = cmt("inspect", path)
    assert done.code == 0 and "attention: 1 NaN, 3 dead, 2 variance ≤ 0" in done.out
    json.loads(cmt("inspect", path, "--json").out, parse_constant=lambda text: pytest.fail(text))


def test_inspect_prints_a_spec_that_checks(nano: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(cmt("inspect", nano, "--print-spec").out)
    assert cmt("verify", nano, "--spec", tmp_path / "own.yaml").code == 0


def test_inspect_of_a_spec_that_this_version_does_not_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "x", replace(checkpoint_of(SMALL), spec_text="model: old\n"))
    done = cmt("inspect", path)
    assert done.code == 0 and "not read by this version" in done.out and "NO: this version" in done.out


def test_inspect_of_another_projects_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    arrays = {"layer.0.\x1b[31mw": np.zeros((2, 3), np.float16), "step": np.arange(2)}
    save_file(arrays, tmp_path / "x.safetensors", metadata={"format": "pt", "evil": "\x1b]0;title\x07"})
    done = cmt("inspect", tmp_path / "x.safetensors")
    assert done.code == 0 and "not a checkpoint of this project; 2 tensors" in done.out
    assert "F16" in done.out and "[2, 3]" in done.out and "\x1b" not in done.out and "\x07" not in done.out
    found = cmt("inspect", tmp_path / "x.safetensors", "--json").json
    assert found["tensors"]["step"] == {"dtype": "I64", "shape": [2]}
    assert cmt("verify", tmp_path / "x.safetensors").code == 2


def test_inspect_of_an_optimizer_state(tmp_path: Path) -> None:
    save_arrays(
        tmp_path / "x.safetensors", {"m.w": np.zeros(3)}, {"kind": "cmt-dsl optimizer state", "step": "5"}
    )
    done = cmt("inspect", tmp_path / "x.safetensors")
    assert done.code == 0 and "cmt-dsl optimizer state; 1 tensors" in done.out
    data = bytearray((tmp_path / "x.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "x.safetensors").write_bytes(data)
    assert cmt("inspect", tmp_path / "x.safetensors").code == 2


def test_verify(nano: Path) -> None:
    good = cmt("verify", nano)
    assert (good.code, good.err) == (
        0,
        "",
    ) and "good: checksum, 219 tensors fit cmt_nano, all finite" in good.out
    bad = cmt("verify", nano, "--spec", "cmt_nano", "--set", "classes=37")
    assert bad.code == 1
    assert "specs/models/cmt_ti.yaml:23:15: head: 2 of another shape" in bad.out
    assert "classes is 10 in the checkpoint, 37 in the spec" in bad.out and "hint:" in bad.out
    found = cmt("verify", nano, "--set", "classes=37", "--json")
    assert found.code == 1 and not found.json["ok"]
    (group,) = found.json["groups"]
    assert group["block"] == "head" and group["counts"] == {"shape": 2} and group["file"] == "<checkpoint>"
    assert found.json["causes"][0]["path"] == "classes"
    assert cmt("verify", nano, "--json").json["ok"] is True


def test_verify_of_a_damaged_file_is_2(nano: Path) -> None:
    data = bytearray(nano.read_bytes())
    data[-1] ^= 1
    nano.write_bytes(data)
    done = cmt("verify", nano)
    assert done.code == 2 and "does not match its checksum" in done.err
    assert cmt("verify", nano, "--json").json["problems"][0]["code"] == "CMT-603"


def test_diff(nano: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other.safetensors", checkpoint_of(seed=1))
    done = cmt("diff", nano, other, "--level", "stage")
    assert done.code == 0 and "different" in done.out and "step: 66 → 67" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    found = cmt("diff", nano, nano, "--json").json
    assert found["equal"] is True and found["total"]["equal"] == 219 and found["facts"] == {}


@pytest.mark.parametrize("swap", [False, True])
def test_diff_of_a_spec(nano: Path, swap: bool) -> None:
    pair = (nano, "cmt_nano")
    done = cmt("diff", *(pair[::-1] if swap else pair))
    assert done.code == 2 and "CMT-613" in done.err and "cmt verify" in done.err


def test_average(tmp_path: Path) -> None:
    a, b = (saved(tmp_path / f"{s}.safetensors", checkpoint_of(SMALL, s)) for s in (1, 2))
    out = tmp_path / "mean.safetensors"
    done = cmt("average", a, b, "-o", out, "--weights", "1,3")
    assert done.code == 0 and "the mean of 2 checkpoints" in done.out
    made = load_checkpoint(out)
    assert [part["weight"] for part in made.origin["from"]] == [0.25, 0.75]
    assert cmt("verify", out).code == 0 and "cmt average" in cmt("inspect", out).out
    assert cmt("average", a, b, "-o", out, "--weights", "1,x").code == 2
    assert cmt("average", a, b, "-o", tmp_path / "no" / "x").code == 2
    assert cmt("average", a, "-o", out).code == 2


def test_no_framework_and_quick(nano: Path) -> None:
    """In a process of its own: what these verbs import is NumPy at most."""
    import subprocess
    import sys

    from tests.tiny import ROOT

    for verb in (["inspect", nano], ["verify", nano], ["diff", nano, nano]):
        code = (
            f"import sys; sys.argv = ['cmt', *{list(map(str, verb))!r}]\nfrom runtime.cli.app import main\n"
            "try: main()\nexcept SystemExit as e: assert not e.code\n"
            "assert not {'mindspore', 'torch', 'safetensors', 'networkx'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert process("inspect", nano, pipe="head -1").err == ""
