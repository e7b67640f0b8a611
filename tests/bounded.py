"""A guard against work that would never end, which is not a measurement: those are in `benchmarks/`.

A shared machine makes a second of work take two, and a large heap to collect adds one more; what the guard is for, an
expression or an alias that doubles with each character, takes hours.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

FAR_ABOVE = 20.0  # processor seconds; what is guarded takes less than two on a quiet core


@contextlib.contextmanager
def bounded(what: object = "this") -> Iterator[None]:
    start = time.process_time()
    yield
    spent = time.process_time() - start
    assert spent < FAR_ABOVE, f"{what} took {spent:.0f} s of a processor"
