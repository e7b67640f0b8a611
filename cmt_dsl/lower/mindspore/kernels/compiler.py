"""The C++ sources beside this file to a shared library, by the system's compiler, for the processor it runs on."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

COMPILERS = ("c++", "g++", "clang++")
"""Looked for in this order, after the one in CXX."""

FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden",
    "-fno-exceptions", "-fno-rtti", "-ffp-contract=fast",
    "-fno-math-errno", "-fno-trapping-math",   # change no result; -ffast-math would: infinities and NaN
)  # fmt: skip

PATIENCE = 300.0  # seconds


class CannotCompile(Exception):
    """Why there is no library, as the end of a sentence."""


def sources() -> list[Path]:
    """The files that are compiled; they include `common.h`."""
    return sorted(Path(__file__).parent.glob("*.cpp"))


def key() -> str:
    """What the library depends on, hashed: the sources, how they are compiled, the processor, MindSpore's version."""
    digest = hashlib.sha256()
    texts = [(file.name, file.read_bytes()) for file in [*sources(), Path(__file__).parent / "common.h"]]
    for name, data in [*texts, ("flags", " ".join(FLAGS).encode()), ("processor", processor().encode())]:
        digest.update(f"{name} {len(data)}\n".encode() + data)
    digest.update(f"{os.environ.get('CXX', '')} {metadata.version('mindspore')}".encode())
    return digest.hexdigest()[:32]


def processor() -> str:
    """The processor's name and abilities, as far as the system tells."""
    told = [platform.machine()]
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return told[0]
    wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    first = text.partition("\n\n")[0].splitlines()
    return "\n".join(told + [line for line in first if line.startswith(wanted)])


def compiler() -> list[str]:
    """The command that compiles; CannotCompile where there is none."""
    own = shlex.split(os.environ.get("CXX", ""))
    if own:
        if shutil.which(own[0]) is None:
            raise CannotCompile(f"CXX names {own[0]}, which is not there")
        return own
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if found is None:
        raise CannotCompile(f"there is no C++ compiler ({', '.join(COMPILERS)})")
    return [found]


def compile_to(path: Path) -> None:
    """Write the library; CannotCompile with the compiler's first words."""
    command = compiler()
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [*command, *FLAGS, "-o", str(path), *map(str, sources())],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise CannotCompile(f"{name} was not done after {PATIENCE:.0f} s") from None
    except OSError as error:
        raise CannotCompile(f"{name} cannot be run: {error.strerror or error}") from None
    if done.returncode:
        text = (done.stderr or done.stdout).decode("utf-8", "replace").splitlines()
        words = next(
            (line.strip() for line in text if "error" in line.lower()), text[0].strip() if text else ""
        )
        raise CannotCompile(f"{name} ended with {done.returncode}" + (f": {words[:200]}" if words else ""))
    if not path.is_file() or path.stat().st_size == 0:
        raise CannotCompile(f"{name} made no library")
