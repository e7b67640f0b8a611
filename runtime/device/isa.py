"""What a processor may be asked for, where two libraries read one variable and mean different things."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator

LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


@contextlib.contextmanager
def whole_instruction_set() -> Generator[None, None, None]:
    """Without the limit that MindSpore needs on processors with AVX-512: around what else reads it.

    OpenVINO 2026.4 has kernels of two kinds, of which one heeds the limit and the other does not: on such a
    processor layer norms then end in a segmentation fault. Each library reads the variable once, at its first kernel.
    """
    held = {name: os.environ.pop(name) for name in LIMITS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
