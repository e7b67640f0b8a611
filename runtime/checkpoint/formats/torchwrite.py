"""A state dict written as `torch.save` would, without PyTorch: a zip of one pickle and the tensors' bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runtime.array import Array
from runtime.atomic import write_atomically
from runtime.checkpoint.formats.inert import STORAGES

ROOT = "archive"
TYPES = {numpy: torch for torch, numpy in STORAGES.items()}


def write_torch(path: Path, arrays: Mapping[str, Array]) -> None:
    """An OrderedDict of contiguous tensors, which `torch.load(weights_only=True)` reads; CMT-606."""
    pickle, storages = bytearray(b"\x80\x02ccollections\nOrderedDict\n)R("), list[bytes]()
    for name, value in arrays.items():
        pickle += _text(name) + _tensor(value, str(len(storages)))
        storages.append(np.asarray(value, order="C").tobytes())
    pickle += b"u."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", bytes(pickle))
        _add(archive, "byteorder", b"little")
        for index, data in enumerate(storages):
            _add(archive, f"data/{index}", data)
        _add(archive, "version", b"3\n")
    write_atomically(path, buffer.getbuffer())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    # without a time: the same weights, the same file
    archive.writestr(zipfile.ZipInfo(f"{ROOT}/{name}"), data)


def _tensor(value: Array, key: str) -> bytes:
    strides = [int(np.prod(value.shape[i + 1 :], dtype=np.int64)) for i in range(value.ndim)]
    storage = b"(" + _text("storage") + f"ctorch\n{TYPES[value.dtype.name]}\n".encode()
    storage += _text(key) + _text("cpu") + _number(value.size) + b"tQ"
    view = _number(0) + _numbers(list(value.shape)) + _numbers(strides)
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"\x89" + hooks + b"tR"


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _numbers(values: list[int]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


def _number(value: int) -> bytes:
    if value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x08" + struct.pack("<q", value)
