"""Saving while being killed, or on a full disk: run as `python -m tests.runtime.checkpoint.crashing HOW FOLDER`.

Every trial saves in a forked process over an old checkpoint, and then looks at what lies under the final name. Prints one
JSON object: how often that was the old file, the new one, or anything else (and what).
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, load_checkpoint, save_checkpoint

OURS = ("runtime/atomic.py", "runtime/checkpoint/file.py", "runtime/checkpoint/container.py")


def checkpoint(step: int, size: int) -> Checkpoint:
    """Weights that are all equal to the step, so that a mixture of two would show."""
    arrays = {f"stages.{i}.weight": np.full((size, 8), step, np.float32) for i in range(4)}
    return Checkpoint(arrays, "model: m\n", "f" * 64, ("a",), {}, {}, step, step, "digits")


def forked(act: Callable[..., None]) -> int:
    """A process that does `act`; its id."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except CmtError as error:
            os._exit(7 if error.code == "CMT-606" else 8)
        except BaseException:
            os._exit(9)
    return child


def ended(child: int) -> int:
    """Its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def held(path: Path) -> str:
    """Which checkpoint lies there: its step, or what is wrong."""
    try:
        found = load_checkpoint(path)
    except CmtError as error:
        return str(error)
    whole = all((value == found.step).all() for value in found.arrays.values())
    return str(found.step) if whole else "a mixture"


def clear(path: Path) -> int:
    """Delete what lies beside the file; how many that were."""
    others = [p for p in path.parent.iterdir() if p != path]
    for other in others:
        other.unlink()
    return len(others)


def at_every_line(path: Path) -> dict[str, Any]:
    """Killed before each line of the modules that write, one line a trial, until a save ends."""
    found: Counter[str] = Counter()
    lines = 0
    while True:
        save_checkpoint(path, checkpoint(1, 64))
        child = forked(lambda line=lines: killed_before(line, path))
        code = ended(child)
        found[held(path)] += 1
        clear(path)
        if code == 0:
            return {"lines": lines, "held": found, "last": held(path)}
        if code != -signal.SIGKILL:
            return {"error": code}
        lines += 1


def killed_before(line: int, path: Path) -> None:
    seen = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal seen
        if event == "call":
            return trace if frame.f_code.co_filename.endswith(OURS) else None
        if event == "line":
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
        return trace

    sys.settrace(trace)
    save_checkpoint(path, checkpoint(2, 64))


def at_random(path: Path, trials: int = 60) -> dict[str, Any]:
    """Killed at a random moment while it saves again and again, 1 MB at a time."""
    found: Counter[str] = Counter()
    left = kills = 0
    draw = random.Random(5)

    def saves() -> None:
        for step in range(2, 10_000):
            save_checkpoint(path, checkpoint(step, 8192))

    save_checkpoint(path, checkpoint(1, 8192))
    for _ in range(trials):
        child = forked(saves)
        time.sleep(draw.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        kills += ended(child) == -signal.SIGKILL
        what = held(path)
        found["whole" if what.isdecimal() else what] += 1
        left += clear(path)
    return {"kills": kills, "held": found, "temporary": left}


def on_a_full_disk(path: Path) -> dict[str, Any]:
    """No file may grow beyond a limit: all limits around the edges of the format, and many between."""
    save_checkpoint(path, checkpoint(1, 64))
    whole = path.stat().st_size
    header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    limits = {0, 1, 7, 8, 9, header - 1, header, header + 1, whole - 1, *range(16, whole, 97)}
    found: Counter[str] = Counter()
    codes: Counter[int] = Counter()

    def limited(limit: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        save_checkpoint(path, checkpoint(2, 64))

    left = 0
    for limit in sorted(limits):
        codes[ended(forked(lambda limit=limit: limited(limit)))] += 1
        found[held(path)] += 1
        left += clear(path)
    enough = ended(forked(lambda: limited(whole)))
    return {
        "trials": len(limits),
        "codes": codes,
        "held": found,
        "left": left,
        "enough": [enough, held(path)],
    }


def on_a_small_one(path: Path) -> dict[str, Any]:
    """In a file system with room for one checkpoint and a half; then with room for two."""
    save_checkpoint(path, checkpoint(1, 4096))
    code = ended(forked(lambda: save_checkpoint(path, checkpoint(2, 4096))))
    first = [code, held(path), clear(path)]
    save_checkpoint(path, checkpoint(3, 1024))
    code = ended(forked(lambda: save_checkpoint(path, checkpoint(4, 1024))))
    return {"full": first, "room": [code, held(path), clear(path)]}


if __name__ == "__main__":
    trial = {
        "lines": at_every_line,
        "random": at_random,
        "limits": on_a_full_disk,
        "small": on_a_small_one,
    }[sys.argv[1]]
    print(json.dumps(trial(Path(sys.argv[2]) / "last.safetensors")))
