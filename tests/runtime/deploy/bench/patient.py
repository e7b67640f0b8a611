"""A worker whose calls take as long as its job says: what a slow, refusing or dying backend looks like to the parent."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator

from runtime.deploy.bench.serve import Job, Unusable, Work, serve


@contextlib.contextmanager
def sleeping(job: Job) -> Generator[Work, None, None]:
    does = job.get("does", "")
    print("a framework that talks")  # on stdout, where answers go
    if does == "refuse":
        raise Unusable("not on a Friday")
    if does == "raise":
        raise ValueError("one line\nand another")
    if does == "die while loading":
        sys.exit("out of luck")
    calls = iter(range(1_000_000))

    def call() -> None:
        time.sleep(job.get("takes", 0.0))
        if does == "die" and next(calls) == 3:
            os.abort()

    yield Work(call, {"threads": os.environ["OMP_NUM_THREADS"], "cpus": sorted(os.sched_getaffinity(0)),
                      "limited": "OPENBLAS_CORETYPE" in os.environ})  # fmt: skip


serve(sleeping)
