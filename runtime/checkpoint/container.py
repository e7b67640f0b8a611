"""The safetensors container: a header read with suspicion, the tensors as views of one buffer.

Layout (huggingface/safetensors, format): 8 bytes little-endian length of the header, the header as JSON
({"__metadata__": {text: text}, NAME: {"dtype", "shape", "data_offsets"}, …}), then the tensors without gaps.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array

HEADER_LIMIT = 8 << 20
"""Bytes a header may have: room for the largest graph the compiler accepts, little for a bomb."""
DATA_LIMIT = 8 << 30
"""Bytes of data that are read at all: a sparse file of a terabyte costs its sender nothing."""

NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
"""Types that NumPy has too, by their names in the container."""

BYTES = {word: np.dtype(text).itemsize for word, text in NUMPY.items()} | {
    "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8,
}  # fmt: skip
_WORDS = {np.dtype(text): word for word, text in NUMPY.items()}
_OTHER = "give the path of a .safetensors file; cmt convert FILE --to native makes one of a .pth or .ckpt"
_AGAIN = "copy it again, or use another checkpoint of the run"


@dataclass(frozen=True)
class Entry:
    """One tensor: its type in the container's words, its shape, and where its bytes lie in the data."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself; `text` is the header as it stands there, of which every field was checked."""

    text: bytes
    entries: dict[str, Entry]
    metadata: dict[str, str]


def read_header(path: str | Path) -> Header:
    """The header of any safetensors file, and nothing more; CMT-601, 602 or 603."""
    path = Path(path)
    with _opened(path) as file:
        return _header(file, path)


def read_container(path: str | Path) -> tuple[Header, Array]:
    """Header and data (bytes, `[size]`, the only copy in memory); CMT-601, 602 or 603."""
    path = Path(path)
    with _opened(path) as file:
        header = _header(file, path)
        size = max((e.end for e in header.entries.values()), default=0)
        if size > DATA_LIMIT:
            raise CmtError("CMT-601", f"{path} holds {size:,} bytes, more than the {DATA_LIMIT:,} allowed")
        try:
            data = np.empty(size, np.uint8)
        except MemoryError:
            raise CmtError("CMT-601", f"{path} does not fit into memory") from None
        try:
            _fill(file, data.data, path)
        except OSError as error:
            raise CmtError("CMT-601", f"cannot read checkpoint {path}: {error.strerror}") from None
    return header, data


def _fill(file: Any, view: memoryview, path: Path) -> None:
    while view.nbytes:
        count = file.readinto(view)  # the system gives 2 GiB at most at once
        if not count:
            raise damaged(path, "it became shorter while it was read")
        view = view[count:]


def tensor(data: Array, entry: Entry) -> Array:
    """One tensor as a view of the data; KeyError for a type that NumPy lacks."""
    return data[entry.start : entry.end].view(NUMPY[entry.dtype]).reshape(entry.shape)


def encode(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> tuple[bytes, list[Array]]:
    """Header text and the tensors' bytes in order, without copying contiguous ones; CMT-606 if it cannot be."""
    values = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    values = {name: value.astype(value.dtype.newbyteorder("<"), copy=False) for name, value in values.items()}
    values = {name: value.reshape(np.shape(arrays[name])) for name, value in values.items()}
    for name, value in values.items():
        if value.dtype not in _WORDS or name == "__metadata__":
            raise CmtError("CMT-606", f"a tensor '{name}' of type {value.dtype} has no place in safetensors")
    order = sorted(values, key=lambda name: -values[name].itemsize)  # wide types first: all aligned
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        start, end = end, end + values[name].nbytes
        shape, word = list(values[name].shape), _WORDS[values[name].dtype]
        entries[name] = {"dtype": word, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise CmtError(
            "CMT-606", f"a header of {len(text):,} bytes is more than the {HEADER_LIMIT:,} allowed"
        )
    return text, [values[name].reshape(-1).view(np.uint8) for name in order]


def damaged(path: Path, why: str) -> CmtError:
    """The error of a file that once was whole."""
    return CmtError("CMT-603", f"{path} is damaged: {why}", hint=_AGAIN)


def _opened(path: Path) -> BinaryIO:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "no ordinary file"
            raise CmtError("CMT-601", f"cannot read checkpoint {path}: it is {what}", hint=_WHERE)
        return path.open("rb", buffering=0)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CmtError("CMT-601", f"cannot read checkpoint {path}: {why}", hint=_WHERE) from None


_WHERE = "a run keeps its checkpoints as OUT/last.safetensors and OUT/best.safetensors"


def _header(file: BinaryIO, path: Path) -> Header:
    total = file.seek(0, 2)
    file.seek(0)
    head = file.read(9)
    if len(head) < 9 or head[8:] != b"{":
        what = "it is empty" if not head else "it does not begin like one"
        raise CmtError("CMT-602", f"{path} is not a safetensors file: {what}", hint=_OTHER)
    size = int.from_bytes(head[:8], "little")
    file.seek(8)
    if size > HEADER_LIMIT or 8 + size > total:
        _unreachable(file, path, size, total)
    text = file.read(size)
    entries = _parse(text, path)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise damaged(path, "the metadata of its header is not text")
    found = {name: _entry(name, value, path) for name, value in entries.items()}
    end = 0
    for name, entry in sorted(found.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != end:
            raise damaged(path, f"tensor '{name}' does not begin where the one before it ends")
        end = entry.end
    if 8 + size + end > total:
        raise _truncated(path, 8 + size + end, total)
    if 8 + size + end < total:
        raise damaged(path, f"{total - 8 - size - end} bytes follow its last tensor")
    return Header(text, found, metadata)


def _unreachable(file: BinaryIO, path: Path, size: int, total: int) -> NoReturn:
    """The header's length leads past the file: that number is wrong, or the file was cut, or is no such file."""
    text = file.read(HEADER_LIMIT // 8).decode("utf-8", "replace")  # a longer one counts as cut
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        if size > HEADER_LIMIT and not text.startswith('{"__metadata__"'):
            raise CmtError("CMT-602", f"{path} is not a safetensors file", hint=_OTHER) from None
        if size > HEADER_LIMIT:
            raise damaged(path, f"its header claims {size:,} bytes") from None
        raise _truncated(path, 8 + size, total) from None
    if size <= HEADER_LIMIT and not text[end:].strip(" "):  # cut in the padding, before any data
        raise _truncated(path, 8 + size, total)
    raise damaged(path, f"its header claims {size:,} bytes and has about {end:,}")


def _truncated(path: Path, needs: int, has: int) -> CmtError:
    return CmtError("CMT-603", f"{path} is truncated: it needs {needs:,} bytes and has {has:,}", hint=_AGAIN)


def _parse(text: bytes, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its header is not what safetensors holds ({_short(error)})") from None
    return data if isinstance(data, dict) else {}


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0][:100]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same key twice")
    return found


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"a number {text[:20]}")


def _entry(name: str, value: Any, path: Path) -> Entry:
    """A checked entry: known type, sane dimensions, as many bytes as these need."""
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"the header's entry '{name[:60]}' does not describe a tensor")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BYTES:
        raise damaged(path, f"tensor '{name[:60]}' has an unknown type {str(dtype)[:20]!r}")
    if not (_sizes(shape) and len(shape) <= 32 and _sizes(offsets) and len(offsets) == 2):
        raise damaged(path, f"tensor '{name[:60]}' has no sound shape or place")
    needs = BYTES[dtype]
    for size in shape:
        needs *= size
    if needs != offsets[1] - offsets[0]:
        raise damaged(path, f"tensor '{name[:60]}' of {dtype} {shape} does not have the bytes it needs")
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _sizes(value: Any) -> bool:
    """A list of whole numbers that an array may have; their product with zeros left out too."""
    if not isinstance(value, list) or not all(type(v) is int and 0 <= v < 1 << 48 for v in value):
        return False
    product = 1
    for size in value:
        product *= max(size, 1)
        if product >= 1 << 62:
            return len(value) == 2  # two offsets are not multiplied
    return True
