"""Exports that are killed: run as `python -m tests.runtime.deploy.export.killing HOW CHECKPOINT FOLDER`.

Prints one JSON object: how often the old, the new or anything else lay under the final name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from runtime.deploy.export.place import place, staging
from tests.runtime.checkpoint.crashing import ended, forked

PARTS = ("a", "b", "c")


def write(path: Path, text: str, *, folder: bool) -> None:
    """A file, or a folder of three, that all say the same."""
    if folder:
        path.mkdir()
    for each in [path / part for part in PARTS] if folder else [path]:
        each.write_text(text)


def held(path: Path) -> str:
    """What it says, or that it is a mixture."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    texts = {file.read_text() for file in files}
    whole = not path.is_dir() or [file.name for file in files] == list(PARTS)
    return texts.pop() if len(texts) == 1 and whole else "a mixture"


def one(path: Path, text: str, *, folder: bool) -> None:
    """An export of next to nothing, by the way that all go."""
    with staging(path) as hidden:
        write(hidden / path.name, text, folder=folder)
        place(hidden / path.name, path)


def killed_before(line: int, path: Path, *, folder: bool) -> None:
    seen = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal seen
        if event == "call":
            return (
                trace if frame.f_code.co_filename.endswith(("export/place.py", "export/killing.py")) else None
            )
        if event == "line":
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
        return trace

    sys.settrace(trace)
    one(path, "new", folder=folder)


def at_every_line(where: Path, *, folder: bool) -> dict[str, Any]:
    """Killed before each line of what stages and places, one line a trial, until one ends."""
    found: Counter[str] = Counter()
    line = 0
    path = where / ("x" if folder else "x.onnx")
    while True:
        one(path, "old", folder=folder)
        most = len(list(where.iterdir()))
        code = ended(forked(lambda line=line: killed_before(line, path, folder=folder)))
        found[held(path)] += 1
        if code == 0:
            return {"lines": line, "held": found, "left": len(list(where.iterdir())), "most": most}
        if code != -signal.SIGKILL:
            return {"error": code}
        line += 1


def at_random(checkpoint: Path, where: Path, trials: int = 10) -> dict[str, Any]:
    """Real exports, again and again, killed at a random moment: an ONNX file and a hub folder."""
    import onnx

    from runtime.checkpoint.load import load_weights
    from runtime.deploy.export.export import export
    from runtime.deploy.export.wish import wish

    found: Counter[str] = Counter()
    draw = random.Random(7)
    weights = load_weights(checkpoint)
    out, hub = where / "m.onnx", where / "hub"

    def exports() -> None:
        while True:
            export(weights, wish("onnx"), out, overwrite=True)
            export(weights, wish("hub"), hub, overwrite=True)

    export(weights, wish("hub"), hub)
    export(weights, wish("onnx"), out)
    for _ in range(trials):
        child = forked(exports)
        time.sleep(draw.uniform(0.05, 0.9))
        os.kill(child, signal.SIGKILL)
        found["killed"] += ended(child) == -signal.SIGKILL
        onnx.checker.check_model(onnx.load(out), full_check=True)
        whole = load_weights(hub / "model.safetensors").graph.fingerprint == weights.graph.fingerprint
        found["whole"] += whole and len(list(hub.iterdir())) == 5
        found["left"] += len(list(where.iterdir())) - 2
    export(weights, wish("onnx"), out, overwrite=True)
    export(weights, wish("hub"), hub, overwrite=True)
    return {"found": found, "names": sorted(p.name for p in where.iterdir())}


if __name__ == "__main__":
    how, given, into = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    done = at_random(given, into) if how == "random" else at_every_line(into, folder=how == "folder")
    print(json.dumps(done))
