"""Children that compute in turn: order, limits, what is said of those that cannot, and that none stays."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.deploy.bench.child import Child, Lost
from runtime.deploy.bench.contender import Contender, environment, processors
from runtime.deploy.bench.interleave import Session

WORKER = (sys.executable, str(Path(__file__).with_name("patient.py")))


def contender(name: str, batch: int = 1, **job: Any) -> Contender:
    return Contender("sleep", name, "float32", batch, 1000, WORKER, job)


def session(rounds: int = 3, threads: int = 1) -> Session:
    return Session(threads=threads, rounds=rounds, seconds=0.003 * rounds, tell=lambda text: None)


BEFORE: set[int] = set()
"""Children of this process that others have started, MindSpore's compilers among them."""


@pytest.fixture(autouse=True)
def before() -> None:
    BEFORE.clear()
    BEFORE.update(child.pid for child in psutil.Process().children(recursive=True))


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True) if child.pid not in BEFORE]


def test_they_take_turns_and_each_begins_one_round() -> None:
    measured = session()
    measured.run([contender(name) for name in "abc"])
    order = [(number, who.split(", ")[1]) for _, number, who in measured.turns]
    assert order == [(0, "a"), (0, "b"), (0, "c"), (1, "b"), (1, "c"), (1, "a"), (2, "c"), (2, "a"), (2, "b")]
    assert measured.complete and [len(track.rounds) for track in measured.tracks] == [3, 3, 3]
    assert all(times for track in measured.tracks for times in track.rounds)
    assert all(track.memory > 1 << 20 for track in measured.tracks)
    assert not children()


def test_batches_one_after_the_other_and_the_peak_beside_each() -> None:
    measured = session(rounds=2)
    measured.run([contender("a", 8), contender("a", 1), contender("b", 8)], [contender("peak")])
    batches = [batch for batch, _, _ in measured.turns]
    assert batches == sorted(batches) == [1] * 4 + [8] * 6
    assert {batch: len(track.rounds) for batch, (track,) in measured.peaks.items()} == {1: 2, 8: 2}


def test_times_are_those_of_calls() -> None:
    measured = session(rounds=2)
    measured.run([contender("slow", takes=0.02)])
    (track,) = measured.tracks
    assert (
        len(track.times) == 2 and min(track.times) >= 0.02
    )  # a call that is longer than its round is one call
    assert track.facts["first_s"] >= 0.02


def test_threads_are_limited_by_affinity_and_by_what_libraries_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    measured = session(rounds=1)
    unlimited = Contender("sleep", "free", "float32", 1, 1, WORKER, {}, unlimited=True)
    measured.run([contender("a"), unlimited])
    a, free = measured.tracks
    assert a.facts["threads"] == "1" and a.facts["cpus"] == processors()[:1]
    assert a.facts["limited"] and not free.facts["limited"]
    assert set(processors()) == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("refuse", "not on a Friday"),
        ("raise", "ValueError: one line"),
        ("die while loading", "ended with exit code 1: out of luck"),
        ("die", "was ended by SIGABRT"),
    ],
)
def test_one_that_cannot_says_why_and_the_others_go_on(does: str, reason: str) -> None:
    measured = session()
    measured.run([contender("bad", does=does, takes=0.004), contender("good")])
    bad, good = measured.tracks
    assert bad.lost.startswith(reason) and "\n" not in bad.lost
    assert not good.lost and len(good.rounds) == 3 and measured.complete
    assert not children()


def test_one_that_does_not_answer_is_ended() -> None:
    child = Child(WORKER, environment(1, unlimited=False))
    with pytest.raises(Lost, match="no answer within 1 s"):
        child.ask({"cpus": processors(), "warm_up": 0, "takes": 60}, within=1)
    child.end()
    assert not children()


def test_a_command_that_is_not_there() -> None:
    measured = session(rounds=1)
    measured.run([Contender("sleep", "gone", "float32", 1, 1, ("/nowhere/python",)), contender("good")])
    gone, good = measured.tracks
    assert "cannot be started" in gone.lost and good.rounds


def test_an_interruption_keeps_what_was_measured() -> None:
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if "round 2" in text:
            raise KeyboardInterrupt

    measured = Session(threads=1, rounds=3, seconds=0.01, tell=tell)
    with pytest.raises(KeyboardInterrupt):
        measured.run([contender("a"), contender("b")])
    assert [len(track.rounds) for track in measured.tracks] == [1, 1] and not measured.complete
    assert not children()
