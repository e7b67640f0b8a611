"""What goes between this process and the one that opens a file: a kind, a length, JSON or an array."""

from __future__ import annotations

import io
import json
import struct
from typing import Any, BinaryIO

import numpy as np

from runtime.array import Array

_HEAD = struct.Struct("<cQ")
LARGEST = 1 << 34  # bytes of one message


def send(stream: BinaryIO, what: dict[str, Any] | Array) -> None:
    """Write one message; OSError where nobody reads."""
    if isinstance(what, dict):
        kind, body = b"J", json.dumps(what).encode()
    else:
        buffer = io.BytesIO()
        np.save(buffer, what, allow_pickle=False)
        kind, body = b"A", buffer.getvalue()
    stream.write(_HEAD.pack(kind, len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | Array | None:
    """The next message; None at the end, or where what comes is none."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, size = _HEAD.unpack(head)
    if kind not in (b"J", b"A") or size > LARGEST:
        return None
    body = stream.read(size)
    if len(body) < size:
        return None
    try:
        found: Any = json.loads(body) if kind == b"J" else np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError):
        return None
    return found if isinstance(found, (dict, np.ndarray)) else None
