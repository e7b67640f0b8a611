"""Import MindSpore into a prepared process and keep its noise off the terminal.

Every module that needs MindSpore gets it from `mindspore()`: the variables below only work before the first import.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

from cmt_dsl.errors import CmtError
from cmt_dsl.lower.mindspore.private import bind_logger
from cmt_dsl.lower.mindspore.process import prepare, quiet_exit


def mindspore(scratch: str | Path | None = None) -> ModuleType:
    """Prepare, import and return the module `mindspore`; CmtError CMT-704 if that fails."""
    prepare(scratch)  # oneDNN reads its variable at the first convolution: not too late even after an import
    if "mindspore" in sys.modules:
        return sys.modules["mindspore"]
    numpy = importlib.import_module("numpy")
    if int(numpy.__version__.split(".")[0]) >= 2:
        raise CmtError(
            "CMT-704",
            f"MindSpore does not work with NumPy {numpy.__version__}",
            hint="pip install 'numpy>=1.26,<2'",
        )
    try:
        module = importlib.import_module("mindspore")
    except Exception as error:  # a broken wheel raises anything, from ImportError to SystemError
        sys.modules.pop("mindspore", None)
        raise CmtError(
            "CMT-704",
            f"MindSpore cannot be imported: {error}",
            hint="pip install 'mindspore>=2.7,<2.11' on Python 3.10 to 3.12; see `cmt doctor`",
        ) from None
    quiet_exit(module)
    return module


@contextlib.contextmanager
def native_noise_to(log: str | Path) -> Generator[None, None, None]:
    """Send what C++ code and MindSpore's loggers write to stderr into the file `log`; Python's own stderr stays.

    GLOG_logtostderr=0 is not enough: errors still reach the terminal. So file descriptor 2 is pointed at the
    log (children inherit it) and `sys.stderr` is given a copy of the old one.
    """
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # no stderr at all: nothing to protect
        yield
        return
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    python_stderr = sys.stderr
    shows_fd2 = _is_fd2(python_stderr)
    os.dup2(sink, 2)
    os.close(sink)
    try:
        # MindSpore's Python logger keeps the stream it first sees: let it see the log
        mindspore(scratch=log.parent)
        bind_logger()
        if shows_fd2:
            sys.stderr = os.fdopen(
                os.dup(terminal), "w", encoding=python_stderr.encoding, errors="backslashreplace", buffering=1
            )
        yield
    finally:
        if sys.stderr is not python_stderr:
            sys.stderr.close()
            sys.stderr = python_stderr
        os.dup2(terminal, 2)
        os.close(terminal)


@contextlib.contextmanager
def temporary_log(verb: str) -> Generator[Path, None, None]:
    """A place for mindspore.log where there is no run directory; removed unless something failed."""
    folder = Path(tempfile.mkdtemp(prefix=f"cmt-{verb}-"))
    yield folder / "mindspore.log"
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def native_errors(log: str | Path | None = None) -> Generator[None, None, None]:
    """Turn what MindSpore raises (RuntimeError, ValueError, TypeError) into CMT-705; the traceback goes to the log."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError) as error:
        if log is not None:
            with contextlib.suppress(OSError), Path(log).open("a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CmtError(
            "CMT-705",
            f"MindSpore failed: {first.strip()[:300]}",
            hint=f"the whole story is in {log}" if log else "",
        ) from error


def _is_fd2(stream: object) -> bool:
    try:
        return stream.fileno() == 2  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False


def set_device(device: object) -> str:
    """Apply a recipe's `device` group; returns the target in use. CmtError CMT-701 if there is no such device."""
    ms = mindspore()
    target = device.target  # type: ignore[attr-defined]
    modes = {"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}
    try:
        if target not in ("auto", ms.get_context("device_target")):  # refused once a kernel has run
            ms.set_device(target)
        ms.set_context(mode=modes[device.mode])  # type: ignore[attr-defined]
        if device.jit_level is not None:  # type: ignore[attr-defined]
            ms.set_context(jit_config={"jit_level": device.jit_level})  # type: ignore[attr-defined]
    except (RuntimeError, ValueError, TypeError) as error:
        raise CmtError(
            "CMT-701",
            f"device {target} cannot be used: {str(error).split('. ')[0]}",
            hint="this MindSpore may be built for another device; --set device.target=CPU, or `cmt doctor`",
        ) from None
    return str(ms.get_context("device_target"))
