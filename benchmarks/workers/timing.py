"""What all workers measure, and the line they print."""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Callable


def report(train: Callable[[], object], infer: Callable[[], object], steps: int) -> None:
    """Time `train` and `infer`, each of which must block until its result is there."""
    first = timed(train)
    timed(train)
    train_step = statistics.median(timed(train) for _ in range(steps))
    infer()
    timed(infer)
    inference = statistics.median(timed(infer) for _ in range(steps))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps({"first_step": first, "train_step": train_step, "inference": inference, "peak_mb": peak})
    )


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
