"""MindSpore's `.ckpt` files: tensors by name in protobuf's wire format, read and written without MindSpore.

The message is `Checkpoint {repeated Value value = 1}`, `Value {string tag = 1; TensorProto tensor = 2}`,
`TensorProto {repeated int64 dims = 1; string tensor_type = 2; bytes tensor_content = 3}`. Five fields need no library,
whose parser stops at 2 GiB and copies every tensor; MindSpore's own module would cost its import of seconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.atomic import write_atomically

TYPES = {
    "Float32": "float32", "Float16": "float16", "Float64": "float64", "BFloat16": "bfloat16", "Int8": "int8",
    "Int16": "int16", "Int32": "int32", "Int64": "int64", "UInt8": "uint8", "UInt16": "uint16", "UInt32": "uint32",
    "UInt64": "uint64", "Bool": "bool",
}  # fmt: skip
CRC = b"crc_num"
PIECE = 512 << 20
"""Bytes from which on MindSpore splits a tensor into pieces under one name."""


def read_mindspore(path: Path) -> dict[str, Array]:
    """Tensors by name, bfloat16 as float32; text entries are left out. CMT-601; CMT-630 if damaged or not one."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CmtError("CMT-601", f"cannot read {path}: {error.strerror}") from None
    whole = memoryview(data)
    if data[-17:-10] == CRC:
        whole = whole[:-17]
        if zlib.crc32(whole) != int.from_bytes(data[-10:], "big"):
            raise _damaged(path, "its content does not match its CRC")
    found: dict[str, Array] = {}
    try:
        for tag, kind, dims, content in _joined(whole):
            if tag in found:
                raise ValueError(f"'{tag}' stands there twice")
            if kind != "str":
                found[tag] = _array(tag, kind, dims, content)
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    if not found:
        raise CmtError("CMT-630", f"{path} holds no tensors", hint="a MindSpore .ckpt is expected")
    return found


def write_mindspore(path: Path, arrays: Mapping[str, Array], piece: int = PIECE) -> None:
    """Write what `mindspore.load_checkpoint` reads, with CRC; tensors above `piece` bytes are split. CMT-606."""
    types = {numpy: name for name, numpy in TYPES.items()}
    out = bytearray()
    for name, value in arrays.items():
        content = np.asarray(value, order="C").tobytes()
        dims = b"".join(b"\x08" + _varint(size) for size in value.shape or (0,))
        kind = dims + _field(2, types[value.dtype.name].encode())
        for start in range(0, max(len(content), 1), piece):
            tensor = kind + _field(3, content[start : start + piece])
            out += _field(1, _field(1, name.encode()) + _field(2, tensor))
    out += CRC + zlib.crc32(out).to_bytes(10, "big")
    write_atomically(path, out)


def _damaged(path: Path, why: str) -> CmtError:
    return CmtError(
        "CMT-630", f"{path} is not a MindSpore checkpoint, or is damaged: {why[:160]}", hint="copy it again"
    )


Piece = tuple[str, str, list[int], list[memoryview]]


def _joined(data: memoryview) -> Iterator[Piece]:
    """(name, type, dims, contents) of each tensor: neighbours of one name are its pieces."""
    waiting: Piece | None = None
    for field, value in _fields(data):
        tag, tensor = "", None
        for inner, part in _fields(value if field == 1 else memoryview(b"\xff")):
            if inner == 1:
                tag = str(part, "utf-8")
            elif inner == 2:
                tensor = part
            else:
                raise ValueError("it holds a map tensor or an unknown field")
        if tensor is None:
            raise ValueError(f"'{tag}' has no tensor")
        kind, dims, content = _tensor(tensor)
        if waiting and waiting[:3] == (tag, kind, dims):
            waiting[3].append(content)
            continue
        if waiting:
            yield waiting
        waiting = (tag, kind, dims, [content])
    if waiting:
        yield waiting


def _tensor(data: memoryview) -> tuple[str, list[int], memoryview]:
    kind, dims, content = "", list[int](), memoryview(b"")
    for field, value in _fields(data, numbers=1):
        if field == 1:
            dims.append(int.from_bytes(value, "little"))
        elif field == 2:
            kind = str(value, "utf-8")
        elif field == 3:
            content = value
        else:
            raise ValueError("a tensor with an unknown field")
    return kind, dims, content


def _array(tag: str, kind: str, dims: list[int], contents: list[memoryview]) -> Array:
    if kind not in TYPES:
        raise ValueError(f"'{tag}' has the unknown type '{kind[:40]}'")
    data = contents[0] if len(contents) == 1 else b"".join(contents)
    stored = "<u2" if TYPES[kind] == "bfloat16" else TYPES[kind]
    size = np.dtype(stored).itemsize
    # MindSpore writes a scalar's dims as [0]
    shape = () if dims == [0] and len(data) == size else tuple(dims)
    if prod(shape) * size != len(data):
        raise ValueError(f"'{tag}' has {len(data):,} bytes for the shape {list(shape)}")
    flat = np.frombuffer(data, stored)
    if TYPES[kind] == "bfloat16":
        flat = (flat.astype("<u4") << 16).view("<f4")
    return flat.reshape(shape).copy()


def _fields(data: memoryview, numbers: int = 0) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of a message's fields; field `numbers` is a varint, given as 8 bytes, the others have a length."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == 0 and key >> 3 == numbers:
            yield key >> 3, memoryview(value.to_bytes(10, "little"))
        elif key & 7 == 2 and key >> 3 != numbers:
            if at + value > len(data):
                raise ValueError(
                    f"truncated: a field of {value:,} bytes, of which {len(data) - at:,} are there"
                )
            yield key >> 3, data[at : at + value]
            at += value
        else:
            raise ValueError("a field of another type")


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number without an end")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content
