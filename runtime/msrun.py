"""What msrun tells the processes that it starts, by variables of their environment."""

from __future__ import annotations

import os

from cmt_dsl.errors import CmtError

ROLE = "MS_ROLE"  # set for every process


def launched() -> bool:
    """Whether msrun started this process."""
    return ROLE in os.environ


def processes(wanted: bool | None = None) -> int:
    """How many workers there are going to be, known before they are joined; `wanted` False: one, for it stays alone."""
    return int(os.environ.get("MS_WORKER_NUM", "1")) if launched() and wanted is not False else 1


def is_scheduler() -> bool:
    """Whether this process only introduces the workers to each other."""
    return os.environ.get(ROLE) == "MS_SCHED"


def alone(wanted: bool | None) -> bool:
    """Whether this process does its work alone; `wanted` None: unless msrun started it. CMT-720 if it cannot be otherwise."""
    if wanted and not launched():
        raise CmtError(
            "CMT-720",
            "--distributed, but this process was not started by msrun",
            hint="cmt launch --workers 8 -- train …, or msrun --worker_num 8 --join True -m runtime.cli train …",
        )
    return wanted is False or not launched()
