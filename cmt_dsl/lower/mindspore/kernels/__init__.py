"""Kernels in C++ where MindSpore's own CPU operators are slow: compiled at first use, or done without.

Cells ask for `kernel(NAME)` and are compositions of MindSpore's operators where they get None.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cmt_dsl.caches import cache_directory
from cmt_dsl.lower.mindspore.kernels.backward import BACKWARD
from cmt_dsl.lower.mindspore.kernels.compiler import CannotCompile, compile_to, key
from cmt_dsl.lower.mindspore.kernels.entry import Entry

SWITCH = "CMT_KERNELS"
"""Set to 0, the compositions serve."""

Shape = Sequence[int]
Shapes = Callable[..., Shape | tuple[Shape, ...]]


def _first(*inputs: Shape) -> Shape:
    return inputs[0]


def _of_depthwise(x: Shape, weight: Shape, dy: Shape) -> tuple[Shape, ...]:
    return x, weight, weight[:1]


def _of_norm(x: Shape, gamma: Shape, eps: Shape, dy: Shape) -> tuple[Shape, ...]:
    return x, gamma, gamma


KERNELS: dict[str, tuple[Shapes, int]] = {
    "gelu_erf": (_first, 1),
    "gelu_erf_gradient": (_first, 1),
    "gelu_tanh": (_first, 1),
    "gelu_tanh_gradient": (_first, 1),
    "depthwise": (_first, 1),
    "depthwise_gradient": (_of_depthwise, 3),
    "depthwise_residual": (_first, 1),
    "depthwise_residual_gradient": (_of_depthwise, 3),
    "channel_norm": (_first, 1),
    "channel_norm_gradient": (_of_norm, 3),
}
"""Name: shapes of the inputs to those of the outputs, and how many these are. All are float32."""


@dataclass(frozen=True)
class State:
    """Whether the kernels can be used in this process."""

    path: Path | None
    """The library; None where the compositions serve."""
    why: str = ""
    """Why there is none, or what is not as it should be."""
    wanted: bool = True
    """False where the user has turned them off."""


@lru_cache(maxsize=1)
def state() -> State:
    """Find or make the library, once in a process; says, once, what was lost."""
    found = _state()
    if found.why and found.wanted:
        lost = "" if found.path else "kernels for this processor are not in use, training is slower: "
        logging.getLogger(__name__).warning("%s%s", lost, found.why)
    return found


def kernel(name: str) -> Any:
    """A new primitive that computes `name` in float32 on the CPU and has its gradient, or None."""
    path = state().path
    if path is None:
        return None
    gradient = _custom(path, f"{name}_gradient")
    return _custom(path, name, BACKWARD[name.partition("_")[0]](gradient))


def _custom(path: Path, name: str, bprop: Any = None) -> Any:
    ms: Any = importlib.import_module("mindspore")
    shapes, outputs = KERNELS[name]
    types = (ms.float32,) * outputs if outputs > 1 else ms.float32
    return ms.ops.Custom(f"{path}:{name}", shapes, types, "aot", bprop)


def _state() -> State:
    if os.environ.get(SWITCH, "1").lower() in ("0", "off", "false", "no"):
        return State(None, f"{SWITCH} turns them off", wanted=False)
    if platform.system() != "Linux":
        return State(None, f"MindSpore takes them on Linux alone, not on {platform.system()}")
    note = ""
    try:
        root = cache_directory()
        entry = Entry(root / "kernels", key()) if root else None
        if entry is None or not _made(entry):
            note = f"cannot write in {entry.folder}" if entry else "there is no home directory for a cache"
            note += ": compiled for this process alone; CMT_CACHE=DIR names another folder"
            entry = Entry(Path(tempfile.mkdtemp(prefix="cmt-kernels-")), key())
            atexit.register(shutil.rmtree, entry.folder, ignore_errors=True)
            entry.make(_build)
        path = entry.path.resolve()
        _load(path)
        _custom(path, "gelu_erf")  # refused, for one, by MS_CUSTOM_AOT_WHITE_LIST
    except CannotCompile as error:
        return State(None, str(error))
    except Exception as error:  # whatever it is, training works without
        return State(None, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}")
    return State(path, note)


def _made(entry: Entry) -> bool:
    """Whether the entry is there now; False where its folder cannot be written."""
    if entry.sound():
        return True
    try:
        entry.make(_build)
    except OSError:
        return False
    return entry.sound()


def _build(path: Path) -> None:
    compile_to(path)
    _load(path)


def _load(path: Path) -> Any:
    """The library, for the rest of the process; CannotCompile where it is not what it should be."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise CannotCompile(f"the library cannot be loaded: {str(error)[:200]}") from None
    missing = [name for name in KERNELS if not hasattr(library, name)]
    if missing:
        raise CannotCompile(f"the library lacks {', '.join(missing)}")
    return library
