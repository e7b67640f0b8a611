"""PyTorch's `.pth` files read without PyTorch: both formats of torch.save, checked before anything is unpacked."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.checkpoint.formats.inert import Scalar, StorageRef, TensorRef
from runtime.checkpoint.formats.pickles import read_pickle

MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_PICKLE = 16 << 20
"""Bytes of the pickle in a zip file; the weights lie beside it."""
MOST_DIRECTORY = 16 << 20
"""Bytes of a zip file's directory: about 100,000 tensors."""


@dataclass(frozen=True)
class TorchFile:
    """What `torch.save` was given, inert, and the storages that its tensors are views of."""

    name: str
    content: Any
    storage: Callable[[StorageRef], Array]
    size: int

    def arrays(self, tensors: dict[str, TensorRef]) -> dict[str, Array]:
        """The tensors in C order, bfloat16 as float32; CMT-630 for one that leaves its storage."""
        asked = sum(prod(t.shape) * _item(t.storage.dtype) for t in tensors.values())
        if asked > 8 * self.size + (1 << 24):  # views may overlap, but not make much out of little
            raise CmtError(
                "CMT-631",
                f"{self.name} is refused: {self.size:,} bytes that stand for {asked:,} bytes of tensors",
            )
        return {name: self._array(name, ref) for name, ref in tensors.items()}

    def scalar(self, value: Any) -> Any:
        """A numpy scalar or a plain number as a plain number; anything else as None."""
        if isinstance(value, Scalar):
            return np.frombuffer(value.data, value.dtype)[0].item()
        return value if isinstance(value, int | float | str | bool) else None

    def _array(self, name: str, ref: TensorRef) -> Array:
        flat = self.storage(ref.storage)
        last = ref.offset + sum((n - 1) * s for n, s in zip(ref.shape, ref.strides, strict=True))
        if prod(ref.shape) == 0:
            return np.zeros(ref.shape, flat.dtype)
        if last >= len(flat):
            raise damaged(self.name, f"'{name}' reaches element {last} of a storage of {len(flat)}")
        steps = [s * flat.itemsize for s in ref.strides]
        view = np.lib.stride_tricks.as_strided(flat[ref.offset :], ref.shape, steps, writeable=False)
        if ref.storage.dtype == "bfloat16":
            return (np.ascontiguousarray(view).astype("<u4") << 16).view("<f4").reshape(ref.shape)
        return np.array(view, order="C")


def read_torch(path: Path) -> TorchFile:
    """Read a `.pth`; CMT-601, CMT-630 (damaged, or not one) or CMT-631 (refused). Nothing in it is executed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CmtError("CMT-601", f"cannot read {path}: {error.strerror}") from None
    return _zip(str(path), data) if data[:4] == b"PK\x03\x04" else _legacy(str(path), data)


def damaged(name: str, why: str) -> CmtError:
    """The error for a file that is not what torch.save wrote."""
    return CmtError("CMT-630", f"{name} is damaged: {why}", hint="copy it again, and compare its checksum")


def _zip(name: str, data: bytes) -> TorchFile:
    _check_directory(name, data)
    with _zip_errors(name):
        archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()

    def read(entry: str) -> bytes:
        with _zip_errors(name):
            return archive.read(entry)

    by_name = {entry.filename: entry for entry in entries}
    roots = [n.removesuffix("data.pkl") for n in by_name if n.endswith("data.pkl") and n.count("/") <= 1]
    if len(roots) != 1 or len(by_name) != len(entries):
        raise damaged(name, "it is a zip file, but not one of torch.save")
    root = roots[0]
    if f"{root}constants.pkl" in by_name:
        raise CmtError(
            "CMT-631",
            f"{name} is refused: a TorchScript program",
            hint="save the model's state_dict() instead",
        )
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise CmtError(
                "CMT-631",
                f"{name} is refused: {entry.filename[:80]!a} is compressed, which torch.save never does",
                hint="a small compressed entry can unpack to any size",
            )
    if sum(entry.file_size for entry in entries) > len(data):
        raise CmtError(
            "CMT-631", f"{name} is refused: its entries share bytes, and add up to more than the file"
        )
    if f"{root}byteorder" in by_name and read(f"{root}byteorder") != b"little":
        raise CmtError("CMT-631", f"{name} is refused: it was written on a big-endian machine")
    if by_name[f"{root}data.pkl"].file_size > MOST_PICKLE:
        raise CmtError(
            "CMT-631", f"{name} is refused: a pickle of more than {MOST_PICKLE >> 20} MiB beside its weights"
        )
    content, _ = read_pickle(io.BytesIO(read(f"{root}data.pkl")), name)

    @cache  # a file may mention one storage very often
    def storage(ref: StorageRef) -> Array:
        entry = f"{root}data/{ref.key}"
        if entry not in by_name:
            raise damaged(name, f"it lacks the entry {entry[:80]!a}")
        return _elements(name, read(entry), ref)

    return TorchFile(name, content, storage, len(data))


@contextlib.contextmanager
def _zip_errors(name: str) -> Generator[None, None, None]:
    """Everything that `zipfile` raises for bad bytes, as one error."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as error:
        raise damaged(name, str(error)) from None
    except (OSError, struct.error, zlib.error) as error:
        raise damaged(name, str(error)) from None


def _check_directory(name: str, data: bytes) -> None:
    """Refuse a directory so long that listing it would take much memory, before it is listed."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    if end < 0 or end + 22 > len(data):
        raise damaged(name, "it is a zip file without an end: truncated")
    (size,) = struct.unpack_from("<I", data, end + 12)
    wide = data.rfind(b"PK\x06\x06", max(0, end - 1000), end)
    if wide >= 0 and wide + 48 <= len(data):
        size = max(size if size != 0xFFFFFFFF else 0, *struct.unpack_from("<Q", data, wide + 40))
    if size > MOST_DIRECTORY:
        raise CmtError("CMT-631", f"{name} is refused: a zip directory of {size:,} bytes")


def _legacy(name: str, data: bytes) -> TorchFile:
    """The stream of PyTorch before 1.6: magic, version, system, content, storage keys; then each storage's bytes."""
    if data[:1] != b"\x80":
        raise CmtError(
            "CMT-630",
            f"{name} is neither a zip file nor a stream that torch.save wrote",
            hint="files of PyTorch before 0.1.10 (tar) are not read; resave with a newer PyTorch",
        )
    file = io.BytesIO(data)
    if read_pickle(file, name)[0] != MAGIC or read_pickle(file, name)[0] != LEGACY_PROTOCOL:
        raise CmtError(
            "CMT-630", f"{name} is a pickle, but not one of torch.save", hint="nothing of it was run"
        )
    system, _ = read_pickle(file, name)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CmtError("CMT-631", f"{name} is refused: it was written on a big-endian machine")
    content, references = read_pickle(file, name)
    keys, _ = read_pickle(file, name)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise damaged(name, "it has no list of storages")
    places, at = dict[str, int](), file.tell()
    for key in keys:  # each an int64 count and its elements
        ref = references.get(key)
        if ref is None or at + 8 > len(data) or struct.unpack_from("<q", data, at) != (ref.count,):
            raise damaged(name, f"truncated, or its storage {key[:40]!a} does not fit its tensors")
        places[key] = at + 8
        at += 8 + ref.count * _item(ref.dtype)
    if at > len(data):
        raise damaged(name, f"truncated: its storages need {at:,} bytes, it has {len(data):,}")

    def storage(ref: StorageRef) -> Array:
        if ref.key not in places:
            raise damaged(name, f"it lacks storage {ref.key[:40]!a}")
        start = places[ref.key]
        return _elements(name, memoryview(data)[start : start + ref.count * _item(ref.dtype)], ref)

    return TorchFile(name, content, storage, len(data))


def _elements(name: str, data: bytes | memoryview, ref: StorageRef) -> Array:
    if len(data) != ref.count * _item(ref.dtype):
        raise damaged(
            name, f"storage {ref.key[:40]!a} has {len(data):,} bytes, not {ref.count * _item(ref.dtype):,}"
        )
    return np.frombuffer(data, "<u2" if ref.dtype == "bfloat16" else ref.dtype)


def _item(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
