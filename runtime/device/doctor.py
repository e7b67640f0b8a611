"""`cmt doctor`: what this machine has, what is wrong with it and what to type to repair it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from cmt_dsl.draw.render import engines
from cmt_dsl.lower.mindspore.kernels import SWITCH
from cmt_dsl.lower.mindspore.kernels import state as kernel_state
from cmt_dsl.lower.mindspore.process import ADDED, prepare, variables
from runtime.device.environment import mindspore
from runtime.device.leaving import runtimes

State = Literal["ok", "warn", "fail"]
EXTRAS = {"sklearn": "demo", "matplotlib": "viz"}


class Row(NamedTuple):
    name: str
    value: str
    state: State
    fix: str = ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _python() -> Row:
    here = f"{platform.python_version()} ({platform.machine()})"
    good = (3, 10) <= sys.version_info[:2] <= (3, 12)
    return Row("python", here, "ok" if good else "fail", "" if good else "use Python 3.10, 3.11 or 3.12")


def _numpy() -> Row:
    version = _version("numpy")
    if version is None:
        return Row("numpy", "missing", "fail", "pip install 'numpy>=1.26,<2'")
    if int(version.split(".")[0]) >= 2:
        return Row(
            "numpy", version, "fail", "MindSpore breaks silently with NumPy 2: pip install 'numpy>=1.26,<2'"
        )
    return Row("numpy", version, "ok")


def _mindspore() -> list[Row]:
    version = _version("mindspore")
    if version is None:
        return [Row("mindspore", "missing", "fail", "pip install 'mindspore>=2.7,<2.11'")]
    parts = tuple(int(p) for p in version.split(".")[:2])
    tested = (2, 7) <= parts < (2, 11)
    rows = [Row("mindspore", version, "ok" if tested else "warn", "" if tested else "tested: >=2.7,<2.11")]
    try:
        ms = mindspore()
        total = ms.ops.ReduceSum()(ms.Tensor([1.0, 2.0], ms.float32) + 1)
        works = float(total.asnumpy()) == 5.0
        rows.append(
            Row(
                "device",
                str(ms.get_context("device_target")),
                "ok" if works else "fail",
                "" if works else "1 + 1 is wrong on this device: reinstall MindSpore",
            )
        )
        rows.append(_kernels(ms.get_context("device_target")))
    except Exception as error:  # doctor reports whatever is broken
        rows.append(Row("device", "does not work", "fail", str(error).splitlines()[0]))
    return rows


def _kernels(target: str) -> Row:
    """Whether cells on the CPU have the compiled kernels, and what it costs where they have not."""
    if target != "CPU":
        return Row("kernels", f"not for {target}, which has its own", "ok")
    found = kernel_state()
    if found.path is not None:
        return Row(
            "kernels", f"compiled for this processor: {found.path}", "warn" if found.why else "ok", found.why
        )
    cost = "a training step of CMT-S takes about twice as long, and a quarter more memory"
    fix = f"unset {SWITCH}" if not found.wanted else "apt install g++, or CXX=COMPILER in the environment"
    return Row("kernels", f"not in use: {found.why}", "warn", f"{cost}; {fix}")


def _variables() -> list[Row]:
    rows = []
    for name in ("ONEDNN_MAX_CPU_ISA", "GLOG_v", "MS_EXCEPTION_DISPLAY_LEVEL", "MS_OM_PATH"):
        wanted = variables(tempfile.gettempdir()).get(name)
        value = os.environ.get(name)
        origin = "set by cmt" if name in ADDED else "your environment"
        state, fix = "ok", ""
        if name == "ONEDNN_MAX_CPU_ISA" and wanted and value != wanted:
            state, fix = (
                "warn",
                f"export {name}={wanted}: convolutions are up to 90 times slower on AVX-512 without it",
            )
        if wanted is None and value is None:
            rows.append(Row(name, "not needed on this processor", "ok"))
        else:
            rows.append(Row(name, f"{value} ({origin})", state, fix))  # type: ignore[arg-type]
    cached = os.environ.get("MS_COMPILER_CACHE_ENABLE", "0") == "1"
    rows.append(
        Row(
            "compile cache",
            "on" if cached else "off",
            "fail" if cached else "ok",
            "unset MS_COMPILER_CACHE_ENABLE: it silently returns the graph of another spec" if cached else "",
        )
    )
    return rows


def _disk() -> Row:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    state: State = "ok" if free > 2 else "warn"
    return Row("disk", f"{free:.1f} GiB free here", state, "" if state == "ok" else "checkpoints need room")


def _extras() -> list[Row]:
    rows = []
    for module, extra in EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        rows.append(
            Row(
                f"extra {extra}",
                f"{module} {'present' if found else 'absent'}",
                "ok" if found else "warn",
                "" if found else f"pip install 'cmt-dsl[{extra}]' if you want it",
            )
        )
    return rows


def _graphviz() -> Row:
    found = engines()
    if not found:
        return Row(
            "graphviz",
            "absent: no svg or png drawings",
            "warn",
            "apt install graphviz, or pip install 'cmt-dsl[viz]'",
        )
    others = "".join(f" (also {engine.name})" for engine in found[1:])
    return Row("graphviz", f"drawings by {found[0].name}: {found[0].command}{others}", "ok")


def _runtimes() -> list[Row]:
    return [Row(name, here, "ok" if works else "warn", fix) for name, here, works, fix in runtimes()]


def doctor() -> list[Row]:
    """Rows (name, value, ok | warn | fail, fix); imports MindSpore and runs one addition on the device."""
    prepare()
    cores = Row("processors", str(os.cpu_count() or 1), "ok")
    return [
        _python(),
        _numpy(),
        *_mindspore(),
        cores,
        *_variables(),
        _disk(),
        *_extras(),
        _graphviz(),
        *_runtimes(),
    ]
