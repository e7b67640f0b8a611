"""Packages that exports need and others do not: imported when they are used, and named where they are missing."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator
from typing import Any

from cmt_dsl.errors import CmtError

INSTALL = "pip install 'cmt-dsl[deploy]'"
LINES = 6
"""Of what an exporter says, at its end."""


def needed(name: str, what: str) -> Any:
    """The package `name`; CMT-851 says that `what` needs it where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        broken = "" if isinstance(error, ModuleNotFoundError) and error.name == name else f" ({error})"
        message = f"{what} needs the package {name}, which is not installed{broken}"
        raise CmtError("CMT-851", message, hint=INSTALL) from None


def installed(name: str) -> Any | None:
    """The package `name`, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@contextlib.contextmanager
def failures(what: str) -> Generator[None, None, None]:
    """Whatever a foreign exporter or runtime raises becomes CMT-853 with the last of what it says."""
    try:
        yield
    except (CmtError, OSError, MemoryError):
        raise
    except Exception as error:
        said = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise CmtError("CMT-853", f"{what}: {' / '.join(said[-LINES:])[:600]}") from error
