"""What workers tell each other, over a transport of threads; msrun's own is tried by `test_equal` and `test_launch`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.jobs.world import SOLO, World
from runtime.msrun import alone, processes


class Threads:
    """A transport between threads: each gives, all wait, each sees all."""

    def __init__(self, size: int):
        self.given: list[Any] = [None] * size
        self.barrier = threading.Barrier(size, timeout=20)

    def of(self, rank: int) -> Any:
        everyone = self

        class Transport:
            def gathered(self, value: np.ndarray) -> np.ndarray:
                everyone.given[rank] = value
                everyone.barrier.wait()
                found = np.concatenate(everyone.given)
                everyone.barrier.wait()
                return found

            def summed(self, value: np.ndarray) -> np.ndarray:
                return self.gathered(value).reshape(len(everyone.given), -1).sum(axis=0)

            def of_first(self, value: np.ndarray) -> np.ndarray:
                return self.gathered(value).reshape(len(everyone.given), -1)[0]

        return Transport()


def together(work: Callable[[World], Any], size: int = 3) -> list[Any]:
    """What each worker's `work` gives."""
    transport = Threads(size)
    worlds = [World(rank, size, transport.of(rank)) for rank in range(size)]
    with ThreadPoolExecutor(size) as pool:
        return [each.result() for each in [pool.submit(work, world) for world in worlds]]


def test_totals_are_exact_beyond_float32() -> None:
    big = float(2**40 + 1)
    assert together(lambda world: world.total([big, world.rank])) == [[3 * big, 3.0]] * 3
    table = np.array([[2**30 + 1, 0], [5, 7]])
    for found in together(lambda world: world.counts(table * (world.rank + 1))):
        np.testing.assert_array_equal(found, table * 6)
        assert found.dtype == np.int64


def test_means_each_and_the_first_ones() -> None:
    def arrays(world: World) -> dict[str, np.ndarray]:
        return {
            "a": np.full((2, 2), world.rank, np.float32),
            "b": np.arange(3, dtype=np.float32) * world.rank,
        }

    for found in together(lambda world: world.mean(arrays(world))):
        np.testing.assert_array_equal(found["a"], np.ones((2, 2)))
        np.testing.assert_array_equal(found["b"], [0, 1, 2])
    for found in together(lambda world: world.each(arrays(world))):
        assert [each["a"][0, 0] for each in found] == [0, 1, 2]
    for found in together(lambda world: world.from_first(arrays(world))):
        assert not found["a"].any() and not found["b"].any()


def test_any_json_goes_to_everyone() -> None:
    said = together(lambda world: world.everyone({"rank": world.rank, "text": "é" * world.rank}))
    assert said == [[{"rank": r, "text": "é" * r} for r in range(3)]] * 3


def test_workers_that_disagree_are_told_on_what() -> None:
    def check(world: World) -> str:
        try:
            world.require_equal(version="1", data=["a", "b"], recipe={"batch": 8 if world.rank else 16})
        except CmtError as error:
            return str(error)
        return ""

    for said in together(check):
        assert "CMT-722" in said and "3 workers disagree on recipe" in said
    assert together(lambda world: world.require_equal(version="1")) == [None] * 3


def test_alone_everything_is_what_was_given() -> None:
    arrays = {"a": np.ones(2, np.float32)}
    assert SOLO.total([1.5]) == [1.5] and SOLO.mean(arrays) == arrays and SOLO.everyone("x") == ["x"]
    assert SOLO.each(arrays) == [] and SOLO.first
    SOLO.require_equal(anything=object())


def test_who_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MS_ROLE", raising=False)
    assert alone(None) and alone(False) and processes() == 1
    with pytest.raises(CmtError) as found:
        alone(True)
    assert found.value.code == "CMT-720" and "cmt launch" in str(found.value)
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setenv("MS_WORKER_NUM", "8")
    assert not alone(None) and not alone(True) and alone(False)
    assert processes() == 8 and processes(False) == 1


@pytest.mark.mindspore
def test_workers_that_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.engines.mindspore import workers
    from runtime.recipe.schema import DeviceGroup

    def fail() -> None:
        raise RuntimeError("no answer from 10.0.0.1:8118\nand much more")

    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setattr(workers, "init", fail)
    with pytest.raises(CmtError) as found:
        workers.join(DeviceGroup())
    assert found.value.code == "CMT-721"
    assert "no answer from 10.0.0.1:8118" in str(found.value) and "much more" not in str(found.value)
