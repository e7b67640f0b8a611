"""The containers of torch.save around any pickle, for tests that write their own."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping


def archive(pickled: bytes, storages: Mapping[str, bytes] | None = None) -> bytes:
    """The zip format."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/byteorder", b"little")
        for key, data in (storages or {}).items():
            file.writestr(f"archive/data/{key}", data)
        file.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def stream(pickled: bytes) -> bytes:
    """The format before PyTorch 1.6, without storages."""
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*head, pickled, pickle.dumps([], 2)])
