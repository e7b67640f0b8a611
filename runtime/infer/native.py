"""What runtimes written in C++ raise, in one tuple, and what of it a person can read."""

from __future__ import annotations

import re
import sys
from typing import Any

_OF_PYTHON = (RuntimeError, ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, OSError)
_ELSEWHERE = (
    "onnxruntime.capi.onnxruntime_pybind11_state",
    "google.protobuf.message",
    "onnx.checker",
    "onnx.shape_inference",
)
"""Modules with exceptions of their own: ONNX Runtime's derive from Exception alone."""
_MARK = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |^Exception from [^\n]*:\s*$|^Check '.*' failed at .*:\s*$"
)
LONGEST = 300  # characters of a foreign message


def raised() -> tuple[type[Exception], ...]:
    """For `except raised():` around ONNX, ONNX Runtime, OpenVINO and protobuf, those of them that are loaded."""
    found: list[type[Exception]] = [*_OF_PYTHON]
    for name in _ELSEWHERE:
        module: Any = sys.modules.get(name)
        found += [kind for kind in vars(module).values() if _is_error(kind)] if module else []
    return tuple(dict.fromkeys(found))


def said(error: BaseException) -> str:
    """The first line of what a foreign exception says that means something, fit to print."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    lines = (_MARK.sub("", line.strip()) for line in str(error).splitlines())
    text = next((line for line in lines if line), "") or type(error).__name__
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)
