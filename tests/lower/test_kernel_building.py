"""Where kernels cannot be compiled or kept, training goes without them or makes them anew, and says so."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from cmt_dsl import source
from cmt_dsl.lower.mindspore import kernels
from cmt_dsl.lower.mindspore.kernels import compiler
from cmt_dsl.lower.mindspore.kernels.entry import Entry
from runtime.device import doctor
from tests.lower.kernel_calls import COMPILED
from tests.tiny import ROOT, graph_of

pytestmark = pytest.mark.mindspore
State = kernels.State


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv(kernels.SWITCH, raising=False)
    monkeypatch.setenv("CMT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/kernels"


@pytest.fixture
def fresh() -> Generator[None, None, None]:
    """What this process knows of its kernels is forgotten, before and after."""
    kernels.state.cache_clear()
    yield
    kernels.state.cache_clear()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def found() -> State:
    return kernels._state()


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock") if folder.exists() else []


def test_the_library_is_made_once_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = found()
    assert state == State(Path(os.path.realpath(cache)) / f"kernels-{compiler.key()}.so")
    assert state.path and left(cache) == [state.path.name]
    before = state.path.stat()
    monkeypatch.setenv("PATH", "")  # no compiler any more
    assert found() == state and state.path.stat().st_mtime_ns == before.st_mtime_ns
    monkeypatch.setenv("MS_CUSTOM_AOT_WHITE_LIST", "/elsewhere")  # MindSpore's, of what it may load
    assert found().path is None and "TypeError" in found().why


BROKEN = {
    "exit 1": "printf 'x.cpp:1: error: \\377\\376 no such thing\\n' >&2; exit 1",
    "garbage": "head -c 300 /dev/urandom; exit 0",
    "no library": 'while [ "$1" != -o ]; do shift; done; echo this is none > "$2"',
    "empty library": 'while [ "$1" != -o ]; do shift; done; exec c++ -shared -x c++ /dev/null -o "$2"',
    "killed": "kill -9 $$",
}
SAID = {
    "exit 1": "mine ended with 1: x.cpp:1: error:",
    "garbage": "mine made no library",
    "no library": "the library cannot be loaded",
    "empty library": "the library lacks gelu_erf",
    "killed": "mine ended with -9",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_compiler(how: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", f"{script(tmp_path / 'mine', BROKEN[how])} -O1")
    state = found()
    assert state.path is None and state.wanted and SAID[how] in state.why
    assert left(cache) == []


def test_no_compiler(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found() == State(None, "there is no C++ compiler (c++, g++, clang++)")
    monkeypatch.setenv("CXX", "mine++ -O2")
    assert found() == State(None, "CXX names mine++, which is not there")
    monkeypatch.setenv("CXX", str(tmp_path))
    (tmp_path / "cc").write_text("not a program")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "cc"))
    assert "cc cannot be run: Exec format error" in found().why


def test_a_compiler_that_hangs(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "PATIENCE", 0.2)
    monkeypatch.setenv("CXX", str(script(tmp_path / "mine", "exec sleep 60")))
    assert found().why == "mine was not done after 0 s"


def test_where_the_cache_cannot_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMT_CACHE", "/proc/nowhere")
    state = found()
    assert state.path and state.path.exists() and "cannot write in /proc/nowhere/kernels" in state.why
    assert doctor_row(state, monkeypatch).state == "warn"


def test_turned_off(
    cache: Path, fresh: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(kernels.SWITCH, "0")
    assert kernels.kernel("gelu_erf") is None
    assert not cache.exists() and not caplog.records
    row = doctor_row(kernels.state(), monkeypatch)
    assert (
        row.state == "warn" and "CMT_KERNELS turns them off" in row.value and "unset CMT_KERNELS" in row.fix
    )


def test_a_loss_is_said_once(
    cache: Path,
    fresh: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert kernels.kernel("gelu_erf") is None
    (record,) = caplog.records
    assert "training is slower: there is no C++ compiler" in record.getMessage()
    row = doctor_row(kernels.state(), monkeypatch)
    assert row.state == "warn" and "apt install g++" in row.fix and "twice as long" in row.fix


def doctor_row(state: State, monkeypatch: pytest.MonkeyPatch) -> doctor.Row:
    monkeypatch.setattr(doctor, "kernel_state", lambda: state)
    return doctor._kernels("CPU")


def test_the_doctor_knows_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    row = doctor_row(State(Path("/there/k.so")), monkeypatch)
    assert (row.name, row.state, row.fix) == ("kernels", "ok", "") and "/there/k.so" in row.value
    assert "Ascend" in doctor._kernels("Ascend").value


def test_what_the_key_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [compiler.key()]
    with monkeypatch.context() as m:
        m.setattr(compiler, "processor", lambda: "another")
        keys.append(compiler.key())
        m.setattr(compiler, "FLAGS", (*compiler.FLAGS, "-g"))
        keys.append(compiler.key())
        m.setattr(compiler.metadata, "version", lambda name: "9.9")
        keys.append(compiler.key())
        m.setattr(compiler, "sources", list)
        keys.append(compiler.key())
        m.setenv("CXX", "g++")
        keys.append(compiler.key())
    assert len(set(keys)) == 6 and compiler.key() == keys[0]
    assert "flags" in compiler.processor() or "Features" in compiler.processor()


def test_entries_are_whole_or_absent(tmp_path: Path) -> None:
    entry, built = Entry(tmp_path / "k", "ab12"), list[Path]()

    def write(path: Path) -> None:
        built.append(path)
        path.write_bytes(b"library" * 100)

    entry.make(write)
    entry.make(write)
    assert entry.sound() and len(built) == 1
    whole = entry.path.read_bytes()
    other = Entry(entry.folder, "cd34")  # as a file that came from another processor, under this one's name
    other.make(write)
    for data in (whole[:-1], whole[:350], b"", b"x" + whole[1:], other.path.read_bytes()):
        entry.path.write_bytes(data)
        assert not entry.sound()
        count = len(built)
        entry.make(write)
        assert entry.sound() and len(built) == count + 1 and entry.path.read_bytes() == whole


def test_entries_of_others_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(tmp_path, "ab12")
    entry.make(lambda path: None)
    assert entry.sound()
    owner = os.getuid()
    if owner == 0:
        os.chown(entry.path, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert not entry.sound()


def test_a_failed_or_killed_build_leaves_nothing_that_is_taken(tmp_path: Path) -> None:
    entry = Entry(tmp_path, "ab12")
    with pytest.raises(ZeroDivisionError):
        entry.make(lambda path: print(1 / (path.write_bytes(b"half") - 4)))
    assert left(tmp_path) == [] and not entry.sound()
    (tmp_path / f".{entry.path.name}.killed12").write_bytes(b"half")
    entry.make(lambda path: None)
    assert left(tmp_path) == [entry.path.name] and entry.sound()


USE = "from cmt_dsl.lower.mindspore import kernels; print(kernels.state().path)"


def test_of_two_processes_one_compiles(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = script(tmp_path / "mine", f'echo begun >> {tmp_path}/log; sleep 1; exec c++ "$@"')
    monkeypatch.setenv("CXX", str(own))
    both = [
        subprocess.Popen(
            [sys.executable, "-c", USE], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=120) for process in both]
    assert told[0] == told[1] and told[0][0].strip() == str(cache / f"kernels-{compiler.key()}.so"), told
    assert (tmp_path / "log").read_text() == "begun\n"


ALONE = """
import sys
sys.modules["cmt_dsl"] = None
import mindspore as ms
import alone
net = alone.Model()
net.set_train(False)
assert net(ms.ops.ones((1, 3, 8, 8), ms.float32)).shape == (1, 3, 8, 8)
assert alone.kernel("gelu_erf") is None
"""


def test_generated_source_runs_where_this_project_is_not(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text(source(graph_of(COMPILED)))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
