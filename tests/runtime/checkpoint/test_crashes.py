"""Killed while saving, or with the disk full: the final name holds the old checkpoint or the new one, whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cmt_dsl.errors import CmtError
from runtime.atomic import remove_leftovers, write_atomically
from tests.tiny import ROOT


def crashing(how: str, folder: Path, *before: str) -> Any:
    command = [*before, sys.executable, "-m", "tests.runtime.checkpoint.crashing", how, str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_before_every_line_of_a_save(tmp_path: Path) -> None:
    found = crashing("lines", tmp_path)
    assert found["lines"] > 60, found
    assert set(found["held"]) == {"1", "2"} and found["last"] == "2"
    assert found["held"]["2"] < found["held"]["1"]  # it becomes the new one late, and then stays it
    assert sum(found["held"].values()) == found["lines"] + 1


def test_killed_at_random_moments(tmp_path: Path) -> None:
    found = crashing("random", tmp_path)
    assert found["kills"] >= 50 and found["held"] == {"whole": 60}, found
    assert found["temporary"] > 0  # some were killed in the middle of writing


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    found = crashing("limits", tmp_path)
    assert found["trials"] > 50
    assert found["codes"] == {"7": found["trials"]}, found  # each an error of ours, CMT-606
    assert found["held"] == {"1": found["trials"]} and found["left"] == 0
    assert found["enough"] == [0, "2"]


def test_a_full_file_system(tmp_path: Path) -> None:
    """A tmpfs of 800 KB in a mount namespace of its own; a checkpoint there has 512 KB."""
    inside = ["unshare", "--mount", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=800k tmpfs '{tmp_path}'"
    if (
        not shutil.which("unshare")
        or subprocess.run([*inside, "sh", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a tmpfs; test_files_that_may_not_grow has run instead")
    found = crashing("small", tmp_path, *inside, "sh", "-c", f'{mount} && exec "$@"', "sh")
    assert found == {"full": [7, "1", 0], "room": [0, "4", 0]}


def test_data_and_name_are_on_disk_in_that_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        order.append("directory" if target == tmp_path else f"{target.stat().st_size} bytes")
        sync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_atomically(tmp_path / "x", b"abc", b"de")
    assert order == ["5 bytes", "rename", "directory"]
    assert (tmp_path / "x").read_bytes() == b"abcde" and (tmp_path / "x").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("stage", ["fsync", "replace", "write", "directory"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_each_stage_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, number: int
) -> None:
    write_atomically(tmp_path / "x", b"old")
    sync, calls = os.fsync, []

    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def fails_second(descriptor: int) -> None:
        calls.append(descriptor)
        fails() if len(calls) == 2 else sync(descriptor)

    opened = os.fdopen

    def opened_failing(descriptor: int, mode: str) -> Any:
        return Failing(opened(descriptor, mode), fails)

    if stage == "write":
        monkeypatch.setattr(os, "fdopen", opened_failing)
    elif stage == "replace":
        monkeypatch.setattr(Path, "replace", fails)
    else:
        monkeypatch.setattr(os, "fsync", fails if stage == "fsync" else fails_second)
    with pytest.raises(CmtError, match="CMT-606"):
        write_atomically(tmp_path / "x", b"new", b"er")
    assert (tmp_path / "x").read_bytes() == (b"newer" if stage == "directory" else b"old")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


class Failing:
    """A file whose second write fails."""

    def __init__(self, file: Any, fails: Any):
        self.file, self.fails, self.writes = file, fails, 0

    def __enter__(self) -> Failing:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, piece: bytes) -> None:
        self.writes += 1
        self.fails() if self.writes == 2 else self.file.write(piece)


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", b"new")
    assert not list(tmp_path.iterdir())


def test_leftovers_of_killed_writes_go(tmp_path: Path) -> None:
    for name in (".last.safetensors.a1b2c3d4", ".other.a1b2c3d4", "last.safetensors", ".last.safetensors"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, ["last.safetensors"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".last.safetensors",
        ".other.a1b2c3d4",
        "last.safetensors",
    ]
