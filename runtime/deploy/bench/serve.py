"""The child's side of a measurement: one line of JSON is asked on stdin, one is answered on stdout.

Only the standard library is imported here, so that an interpreter of another project, with its own frameworks, can
serve too. A worker is a script that ends in `serve(prepare)`. What it is told, and what it answers:

    {"cpus": [0, 1], "warm_up": 0.5, …the job…}   {"ready": {"load_s": …, "first_s": …, …facts…}, "memory": bytes}
                                                  or {"unusable": "why"}, or {"failed": "why"}, and it ends
    {"seconds": 1.0}                              {"times": [s, …], "memory": bytes}
    end of the pipe                               it ends
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

Job = dict[str, Any]


class Unusable(Exception):
    """What is asked cannot be computed here, for a reason that is not a defect; its text says which."""


@dataclass
class Work:
    """What is timed: `call` returns when its result is there."""

    call: Callable[[], object]
    facts: dict[str, Any] = field(default_factory=dict)
    """Told beside the times, such as versions."""


def serve(prepare: Callable[[Job], contextlib.AbstractContextManager[Work]]) -> None:
    """Answer the parent until it closes the pipe. `prepare` is entered around all computing."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what frameworks print is no answer
    line = sys.stdin.readline()
    if not line:
        return
    job = json.loads(line)
    _keep_to(job["cpus"])
    try:
        _work(prepare, job, answers)
    except Unusable as reason:
        _answer(answers, {"unusable": str(reason)})
    except BrokenPipeError:  # the parent has gone
        pass
    except Exception as error:
        traceback.print_exc()
        text = str(error).strip().split("\n")[0]
        _answer(answers, {"failed": f"{type(error).__name__}: {text}" if text else type(error).__name__})


def _work(
    prepare: Callable[[Job], contextlib.AbstractContextManager[Work]], job: Job, answers: TextIO
) -> None:
    began = time.perf_counter()
    with prepare(job) as work:
        load = time.perf_counter() - began
        first = _timed(work.call)
        _calls(work.call, job["warm_up"])
        _answer(answers, {"ready": {"load_s": load, "first_s": first, **work.facts}, "memory": peak_memory()})
        for line in sys.stdin:
            times = _calls(work.call, json.loads(line)["seconds"])
            _answer(answers, {"times": times, "memory": peak_memory()})


def _calls(call: Callable[[], object], seconds: float) -> list[float]:
    """Times of calls that begin within `seconds`: one at least, and none that would surely end far outside."""
    times = [_timed(call)]
    while sum(times) + 0.5 * times[-1] < seconds:
        times.append(_timed(call))
    return times


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _answer(answers: TextIO, what: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        answers.write(json.dumps(what) + "\n")
        answers.flush()


def _keep_to(cpus: list[int]) -> None:
    """Before any framework counts processors; threads that are made later inherit it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def peak_memory() -> int:
    """Bytes that this process was resident with at most.

    Linux's VmHWM begins anew with the program; `ru_maxrss` would include what its parent was before.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
