"""What computes where a verb lets its user choose."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum


class Backend(str, Enum):
    """What computes."""

    mindspore = "mindspore"
    numpy = "numpy"


@contextlib.contextmanager
def quietly(backend: Backend) -> Iterator[None]:
    """While it lasts MindSpore's noise goes to a log and its errors become messages; NumPy makes none."""
    if backend is Backend.numpy:
        yield
        return
    from runtime.device.environment import native_errors, native_noise_to, temporary_log

    with temporary_log("run") as log, native_noise_to(log), native_errors(log):
        yield
