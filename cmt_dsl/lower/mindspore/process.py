"""What MindSpore needs of its process: variables set before it loads, and quiet cells at the end."""

from __future__ import annotations

import atexit
import os
import platform
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from cmt_dsl.lower.mindspore.private import let_cells_die_quietly


def _has_avx512() -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def variables(scratch: str | Path) -> dict[str, str]:
    """What the environment should hold before MindSpore loads; `scratch` takes its failure dumps."""
    wanted = {
        "GLOG_v": "3",  # errors only: 2 prints a warning for each deprecated name MindSpore itself uses
        "MS_EXCEPTION_DISPLAY_LEVEL": "1",  # no C++ stack in messages
        "MS_OM_PATH": str(scratch),  # otherwise rank_0/ appears in the working directory
    }
    if _has_avx512():
        # oneDNN 3.10 falls back to a reference convolution on AVX-512 (up to 90 times slower)
        wanted["ONEDNN_MAX_CPU_ISA"] = "AVX2"
    return wanted


ADDED: dict[str, str] = {}
"""Variables this process was given by `prepare`, as opposed to by its user."""


def prepare(scratch: str | Path | None = None) -> dict[str, str]:
    """Set what is unset and return what was set. Without effect on a MindSpore that is already loaded."""
    if scratch is None:
        # made by MindSpore only on failure
        scratch = Path(tempfile.gettempdir()) / f"cmt-mindspore-{os.getpid()}"
    added = {k: v for k, v in variables(scratch).items() if k not in os.environ}
    os.environ.update(added)
    ADDED.update(added)
    return added


@lru_cache(maxsize=1)
def quiet_exit(module: Any) -> None:
    """Keep cells that outlive their module's globals from printing tracebacks at interpreter exit."""
    atexit.register(let_cells_die_quietly, module)
