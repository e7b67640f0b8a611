"""The process in which a file is opened and computes: what it breaks, it breaks here.

Its standard input and output carry `wire` messages; what native code prints goes to standard error. It tells its facts,
then answers each array of images by an array, and ends where its input ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.files.wire import receive, send
from runtime.infer.native import said


def opened(path: Path, by: str, threads: int | None) -> Any:
    """The file in the runtime `by`; CMT-858, 859, or whatever the runtime raises."""
    if path.suffix.lower() == ".onnx":
        from runtime.deploy.files.onnxfile import OnnxFile

        return OnnxFile(path, by, threads)
    if path.suffix.lower() == ".xml":
        from runtime.deploy.files.openvinofile import OpenVinoFile

        return OpenVinoFile(path, threads)
    from runtime.deploy.files.mindirfile import MindIrFile

    return MindIrFile(path, threads)


def main(path: str, by: str, threads: int | None) -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # native code prints to 1 too
    try:
        file = opened(Path(path), by, threads)
        send(out, file.facts)
        while isinstance(wanted := receive(sys.stdin.buffer), dict):
            images = receive(sys.stdin.buffer)
            assert isinstance(images, np.ndarray)
            send(out, _computed(file, wanted, images))
    except CmtError as error:
        problem = error.problems[0]
        send(out, {"error": [problem.code, problem.message, problem.hint]})
    except Exception as error:  # native bindings raise classes of any kind
        send(out, {"error": ["CMT-861", said(error), ""]})
    sys.stderr.flush()
    os._exit(0)  # destructors of native libraries are not worth waiting for


def _computed(file: Any, wanted: dict[str, Any], images: Array) -> Array:
    """The answer for all images, in parts of the only size that the file takes, the last one padded."""
    step = wanted["batch"] or len(images)
    parts: list[Array] = []
    for start in range(0, len(images), step):
        part = images[start : start + step]
        count = len(part)
        part = np.concatenate([part, np.repeat(part[:1], step - count, axis=0)]) if count < step else part
        value = np.asarray(file.compute(wanted["input"], np.ascontiguousarray(part), wanted["output"]))
        parts.append(value[:count] if value.ndim and len(value) == step else value)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
