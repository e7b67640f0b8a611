"""What we use of MindSpore that it does not promise: all of it, each with a test that fails when a version changes it.

See tests/lower/test_private.py. Variables of the environment are in `process.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Iterable
from typing import Any

LAZY = "lazy_inline_"
"""How the key begins by which lazily inlined Cells of one class and equal arguments share a compiled graph."""
WRAPPED = "_backbone"
"""What mixed precision calls the Cell that it puts another around."""


def bind_logger() -> None:
    """Let MindSpore's Python logger take hold of the stream that is stderr now: it keeps the first one that it sees."""
    log = importlib.import_module("mindspore.log")
    get = getattr(log, "_get_logger", None)
    if callable(get):
        get()


def let_cells_die_quietly(module: Any) -> None:
    """Cells that outlive their module's globals would print tracebacks as the interpreter exits."""
    with contextlib.suppress(AttributeError):
        module.nn.Cell.__del__ = lambda self: None  # pyright: ignore[reportUnknownLambdaType]


def bare(name: str) -> str:
    """A Cell's name within its model, without what mixed precision put around it."""
    return ".".join(part for part in name.split(".") if part != WRAPPED)


def keep_apart(cell: Any, changed: Iterable[str], what: str) -> None:
    """Give a lazily inlined Cell in which parts were `changed` a key of its own.

    Equal keys share one compiled graph, the first one's; what is changed, and how, becomes part of the key.
    """
    if getattr(cell, "cell_init_args", "").startswith(LAZY):
        digest = hashlib.sha256(" ".join(sorted(changed)).encode()).hexdigest()[:12]
        cell.cell_init_args += f"_{what}_{digest}"


def normalise_once(norm: Any) -> None:
    """Let a BatchNorm2d in a recomputed Cell keep its outputs: computed twice, its statistics would move twice."""
    norm.bn_train.recompute(False)
