"""Facts of this machine that figures depend on."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from runtime.deploy.bench.contender import LIMITING, processors

TELLING = (
    "avx2", "fma", "avx512f", "avx512bw", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
    "amx_bf16", "amx_int8", "amx_fp16", "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip
"""Of the processor's flags, those that decide how fast products are."""
PACKAGES = ("cmt-dsl", "numpy", "mindspore", "onnx", "onnxruntime", "openvino")


class Machine(BaseModel):
    """Processor, memory and versions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processor: str
    architecture: str
    flags: tuple[str, ...] = Field(description="of the processor, those that decide how fast products are")
    cores: int = Field(description="processors that this process may use")
    memory_bytes: int | None
    system: str
    versions: dict[str, str]
    environment: dict[str, str] = Field(description="variables that are set and can slow a library down")


def machine() -> Machine:
    """Of this one, as far as it tells."""
    name, flags = "", set[str]()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags |= set(value.split())
    return Machine(
        processor=name or platform.processor() or "unknown",
        architecture=platform.machine(),
        flags=tuple(flag for flag in TELLING if flag in flags),
        cores=len(processors()),
        memory_bytes=_memory(),
        system=f"{platform.system()} {platform.release()}",
        versions={"python": platform.python_version(), **_versions()},
        environment={name: os.environ[name] for name in LIMITING if name in os.environ},
    )


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not told on this system
        return None


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
