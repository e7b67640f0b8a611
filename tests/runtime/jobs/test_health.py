"""When workers count as dead or hung, on a clock of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmt_dsl.errors import CmtError
from runtime.jobs.command import plan
from runtime.jobs.health import Health, Sight
from runtime.jobs.pulse import RECORD, Beat, Pulse, beats, prepare
from runtime.jobs.tail import Tail, last_lines
from runtime.jobs.world import World


def sight(phase: str, step: int, at: float, *, alive: bool = True, stopped: bool = False) -> Sight:
    return Sight(Beat(1, phase, step, at), alive, stopped)


def test_a_graph_may_compile_for_any_time() -> None:
    health = Health(30)
    for now in (0.0, 100.0, 3000.0):
        assert health.look({0: sight("compiling", 0, 0), 1: sight("compiling", 0, 0)}, now) is None


def test_the_furthest_behind_is_blamed_for_a_hang() -> None:
    health = Health(30)
    for step in range(6):
        assert health.look({r: sight("stepping", step, float(step)) for r in (0, 1)}, float(step)) is None
    now = {0: sight("stepping", 6, 6), 1: sight("stepping", 5, 5)}
    assert health.look(now, 35) is None
    found = health.look(now, 37)
    assert found is not None and found.rank == 1 and "after step 5" in found.reason


def test_slow_steps_are_no_hang() -> None:
    health = Health(30)
    for step in range(5):
        health.look({0: sight("stepping", step, step * 20.0)}, step * 20.0)
    assert health.limit() == 100
    assert health.look({0: sight("stepping", 4, 80)}, 175) is None
    assert health.look({0: sight("stepping", 4, 80)}, 181) is not None


def test_the_first_steps_may_take_what_compilation_took() -> None:
    health = Health(30)
    health.look({0: sight("compiling", 0, 0)}, 0)
    health.look({0: sight("stepping", 1, 200)}, 200)
    assert health.limit() == 200


def test_a_stopped_process_hangs_even_while_compiling() -> None:
    health = Health(30)
    seen = {0: sight("compiling", 0, 0), 1: sight("compiling", 0, 0, stopped=True)}
    assert health.look(seen, 1) is None and health.look(seen, 20) is None
    found = health.look(seen, 22)
    assert found is not None and found.rank == 1 and "stopped" in found.reason


def test_death_is_not_the_same_as_the_end() -> None:
    assert Health(30).look({0: sight("ended", 9, 0, alive=False)}, 100) is None
    found = Health(30).look({0: sight("stepping", 9, 0), 1: sight("saving", 9, 0, alive=False)}, 1)
    assert found is not None and found.rank == 1 and "died while saving" in found.reason


def test_a_worker_before_its_first_sign_of_life_is_waited_for() -> None:
    assert Health(1).look({0: Sight(None, False, False)}, 1000) is None


def test_beats_are_read_from_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pulse"
    prepare(file, 3)
    assert beats(file) == [None] * 3 and file.stat().st_size == 3 * RECORD.size
    monkeypatch.setenv("CMT_PULSE", str(file))
    Pulse(World(2, 3)).beat("saving", 41)
    found = beats(file)
    assert found[:2] == [None, None] and found[2] is not None
    assert (found[2].phase, found[2].step) == ("saving", 41)


def test_without_a_launcher_a_pulse_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CMT_PULSE", raising=False)
    Pulse(World()).beat("stepping", 1)


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (["check", "cmt_s"], {}, "not 'check'"),
        ([], {}, "not nothing"),
        (["train", "--no-distributed"], {}, "--no-distributed"),
        (["train"], {"workers": 8, "local": 3, "master": "10.0.0.1", "port": 8118}, "no node 0"),
        (["train"], {"workers": 8, "local": 4, "node": 2, "master": "10.0.0.1", "port": 8118}, "no node 2"),
        (["train"], {"workers": 8, "local": 4}, "--master and --port"),
    ],
)
def test_jobs_that_cannot_be(words: list[str], options: dict[str, object], said: str) -> None:
    with pytest.raises(CmtError, match=said) as caught:
        plan(words, **{"workers": 2, **options})  # type: ignore[arg-type]
    assert caught.value.code == "CMT-723"


def test_the_second_of_two_nodes(tmp_path: Path) -> None:
    job = plan(
        ["train", "cmt_s"], 16, local=8, node=1, master="10.0.0.1", port=8118, bind_core=True, logs=tmp_path
    )
    assert list(job.ranks) == list(range(8, 16))
    command = " ".join(job.command())
    for said in (
        "--worker_num=16",
        "--local_worker_num=8",
        "--node_rank=1",
        "--join=True",
        "--bind_core=True",
    ):
        assert said in command
    assert command.endswith("python -u -m runtime.cli train cmt_s")


@pytest.mark.parametrize("words", [["train", "x", "--out", "r"], ["train", "x", "--out=r"]])
def test_logs_are_beside_the_run(words: list[str]) -> None:
    assert plan(words, 2).logs.parts[:2] == ("r", "workers")


def test_a_log_is_followed_line_by_line_without_noise(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    assert tail.lines() == [] and not tail.seen
    (tmp_path / "log").write_bytes(b"[WARNING] x\nepoch 1\nepo")
    assert tail.lines() == ["epoch 1"] and tail.seen
    with (tmp_path / "log").open("a") as file:
        file.write("ch 2 é\n")
    assert tail.lines() == ["epoch 2 é"]
    assert last_lines(tmp_path / "log", 1) == ["epoch 2 é"] and last_lines(tmp_path / "none", 3) == []
