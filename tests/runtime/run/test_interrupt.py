"""The wish to stop, without a training."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest

from runtime.run.interrupt import Asked, Watch


def test_a_wait_that_ends_without_a_signal_is_no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython's sigtimedwait may return a record whose number is 0."""
    ended: list[int] = []
    waits: list[object] = []

    def nothing(numbers: object, seconds: float) -> object:
        waits.append(numbers)
        time.sleep(0.01)
        return SimpleNamespace(si_signo=0)

    monkeypatch.setattr(signal, "sigtimedwait", nothing)
    monkeypatch.setattr(os, "_exit", ended.append)
    with Watch() as watch:
        while len(waits) < 3:
            time.sleep(0.01)
        watch.check()
        assert watch.asked is None and not ended


def test_a_signal_is_a_wish_once_there_is_something_to_save() -> None:
    with Watch() as watch:
        watch.patient = True
        os.kill(os.getpid(), signal.SIGTERM)
        until = time.monotonic() + 5
        while watch.asked is None and time.monotonic() < until:
            time.sleep(0.01)
        assert watch.asked == signal.SIGTERM
        with pytest.raises(Asked):
            watch.check()
