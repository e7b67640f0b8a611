"""Telling weights from specs by their names and first bytes."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".safetensors", ".ckpt", ".pth", ".pt")
EXPORTED = (".onnx", ".xml", ".mindir", ".om")
"""Programs for other runtimes: they compute, and hold no weights that are known by path."""


def is_weights(path: str | Path) -> bool:
    """Whether `path` means a file of weights rather than a spec (a YAML file, or the name of a shipped one).

    By its suffix, or for another by beginning as a safetensors file does: a length, then `{`.
    """
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix.lower() in (".yaml", ".yml"):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except (OSError, ValueError):
        return False
    return len(head) == 9 and head[8:] == b"{" and head[6:8] == b"\0\0"
