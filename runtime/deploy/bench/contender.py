"""Who is measured: a command that serves, the job it is given, and by which labels its figures are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIBRARY_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Read by libraries when they load: set in the child's environment, beside its affinity."""

LIMITING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
)
"""Variables that can slow a library down: a peak is measured without them; where they are set for the models, that is said."""

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Contender:
    """One child process: a model in one backend, precision and batch, or a matrix product (`macs` per call then)."""

    model: str
    by: str
    precision: str
    batch: int
    macs: int
    """Multiply-accumulates of one image by the model's spec, whatever was folded away; of a product, of one call."""
    command: tuple[str, ...]
    job: Mapping[str, Any] = field(default_factory=dict)
    unlimited: bool = False
    """Without the environment's `LIMITING`."""

    def __str__(self) -> str:
        return f"{self.model}, {self.by}, {self.precision}, batch {self.batch}"


def worker(module: str, python: str = sys.executable) -> tuple[str, ...]:
    """The command of a worker of this package; nothing that a user's Python start-up prints or warns of."""
    return (python, "-W", "ignore", "-m", module)


def environment(threads: int, *, unlimited: bool) -> dict[str, str]:
    """Of a child that computes with so many threads."""
    found = {name: value for name, value in os.environ.items() if not (unlimited and name in LIMITING)}
    found |= dict.fromkeys(LIBRARY_THREADS, str(threads))
    others = [path for path in found.get("PYTHONPATH", "").split(os.pathsep) if path]
    found["PYTHONPATH"] = os.pathsep.join([str(ROOT), *others])
    return found


def processors() -> list[int]:
    """Those that this process may use, one of each core before any second of a core."""
    allowed = (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]
    )
    return sorted(allowed, key=lambda cpu: (_place_in_core(cpu), cpu))


def _place_in_core(cpu: int) -> int:
    file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        said = file.read_text(encoding="ascii").strip()
        siblings: list[int] = []
        for part in said.split(","):
            first, _, last = part.partition("-")
            siblings += range(int(first), int(last or first) + 1)
        return siblings.index(cpu)
    except (OSError, ValueError):  # another system, or one that does not tell
        return 0
