"""Every long step says something within two seconds of starting, on a terminal and on a pipe."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from runtime.cli import terminal
from runtime.cli.terminal import Status, patient
from runtime.run import progress
from runtime.run.progress import Progress
from tests.runtime.data.made import make_folder
from tests.tiny import ROOT

DIGITS = ["--recipe", "digits", "--data", "digits"]


def first_words(words: list[str], cwd: Path, *, tty: bool) -> tuple[float, str]:
    """(processor seconds until `cmt words` shows its first letter, what it then shows); the process is ended there.

    Those are the seconds of an idle machine: this one may be running other tests.
    """
    seen, shown = pty.openpty() if tty else os.pipe()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "xterm"}
    command = [sys.executable, "-m", "runtime.cli", *words]
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown
    )
    os.close(shown)
    try:
        text = os.read(seen, 4096).decode()
        times = psutil.Process(process.pid).cpu_times()
        return times.user + times.system, text
    finally:
        process.terminate()
        os.close(seen)
        try:
            process.wait(40)  # launch takes its workers along, also this early
        finally:
            process.kill()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from runtime.checkpoint.file import save_checkpoint
    from tests.runtime.checkpoint.samples import checkpoint_of

    path = tmp_path_factory.mktemp("first words")
    make_folder(path / "folder", 40, 2)
    save_checkpoint(path / "nano.safetensors", checkpoint_of("cmt_nano"))
    return path


@pytest.mark.mindspore
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "cmt_nano", *DIGITS, "--out", "r"], "cmt train cmt_nano"),
        (["validate", "nano.safetensors", "--data", "digits"], "validating nano.safetensors"),
        (["data", "check", "folder"], "folder"),
        (["data", "bench", "--data", "folder", "--recipe", "digits", "--model", "cmt_nano"], "folder"),
        (
            ["launch", "--workers", "2", "--", "train", "cmt_nano", *DIGITS, "--out", "r2"],
            "starting 2 workers",
        ),
    ],
)
def test_the_first_words_come_soon(place: Path, words: list[str], says: str, tty: bool) -> None:
    seconds, text = first_words(words, place, tty=tty)
    assert seconds < 2 and (says in text or "\x1b" in text), (seconds, text)


def test_a_silent_verb_says_that_it_works(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "SILENCE", 0.05)
    monkeypatch.setattr(terminal, "EVERY", 0.1)

    def convert(seconds: float) -> None:
        time.sleep(seconds)
        print("done")

    patient(convert)(0.3)
    told = capsys.readouterr()
    assert told.out == "done\n" and told.err.splitlines()[0] == "convert: at work, 0 s …"
    assert 2 <= len(told.err.splitlines()) <= 4
    monkeypatch.setattr(terminal, "SILENCE", 5.0)
    patient(convert)(0)
    assert capsys.readouterr().err == ""


def test_validation_is_told_on_a_pipe_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with Progress(Console(file=out), 10, 1, 8) as shown:
        shown.aside("validating 8/64")
        assert out.getvalue() == ""  # seconds have not passed yet
        monkeypatch.setattr(progress, "EVERY", 0.0)
        shown.aside("validating 16/64")
    assert out.getvalue() == "validating 16/64\n"


def test_a_new_step_is_told_at_once_and_the_same_one_now_and_then() -> None:
    out = io.StringIO()
    with Status(Console(file=out)) as now:
        for text, step in (("opening", False), ("compiling", True), ("one", False), ("two", False)):
            now.tell(text, step=step)
    assert out.getvalue() == "opening\ncompiling\n"
