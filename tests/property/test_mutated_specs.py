"""Mutated specs: each ends in a clear error with a place, or builds; never in anything else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmt_dsl import CmtError, build, load
from cmt_dsl.errors import CODES
from tests.bounded import bounded
from tests.property.mutate import mutation
from tests.tiny import ROOT

SEEDS = range(260)
USES = {
    "cmt": "{heads: 1, reduction: 2, expansion: 2}",
    "lmhsa": "{heads: 1, reduction: 2}",
    "irffn": "{expansion: 2}",
    "lpu": "{}",
    "se": "{}",
    "eca": "{}",
    "cbam": "{}",
    "cmt_head": "{width: 8, dropout: 0.1}",
    "cmt_head_fc": "{width: 8, dropout: 0.1}",
    "conv_stem": "{width: 8}",
    "patch_embed": "{width: 8}",
}


def written(seed: int, folder: Path) -> tuple[str, Path]:
    """The mutated file; a block file gets a model beside it that uses it."""
    what, kind, raw = mutation(seed)
    folder = folder / str(seed)
    folder.mkdir()
    if kind == "models":
        file = folder / "mutant.yaml"
        file.write_bytes(raw)
        return what, file
    block = what.split(":")[0]
    (folder / f"{block}.yaml").write_bytes(raw)
    file = folder / "model.yaml"
    file.write_text(
        "model: m\ninput: {channels: 3, size: 16}\nclasses: 2\nprofile: official\ndrop_path: 0.1\n"
        f"stages:\n  - {{block: ./{block}.yaml, depth: 1, args: {USES[block]}}}\n"
    )
    return what, file


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mutant_builds_or_is_explained(seed: int, tmp_path: Path) -> None:
    what, file = written(seed, tmp_path)
    try:
        with bounded(what):
            build(load(file))
    except CmtError as error:
        assert error.problems, what
        for problem in error.problems:
            assert problem.code in CODES, what
            assert problem.message, what
            assert problem.place or problem.code == "CMT-101", f"{what}: {problem}"
            assert len(str(problem)) < 2000, what
        str(error).encode()


def test_both_ends_happen(tmp_path: Path) -> None:
    """Mutations that never fail, or always fail, would test little."""
    ends: list[str] = []
    for seed in range(200):
        try:
            build(load(written(seed, tmp_path)[1]))
            ends.append("")
        except CmtError as error:
            ends += [p.code for p in error.problems]
    assert 20 < ends.count("") < 180
    assert len(set(ends)) > 10


@pytest.mark.parametrize("seed", range(0, 260, 26))
def test_a_mutant_in_the_command_line(seed: int, tmp_path: Path) -> None:
    what, file = written(seed, tmp_path)
    command = [sys.executable, "-m", "runtime.cli", "check", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode in (0, 1, 2), what
    assert "Traceback" not in done.stderr + done.stdout, what
    assert (done.returncode == 0) == ("ok" in done.stdout), what
    if done.returncode:
        assert "[CMT-" in done.stderr, what
