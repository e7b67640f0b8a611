"""What a pickle of weights may hold, as records that cannot act, and the functions that answer its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ORDERED = "collections.OrderedDict"


@dataclass(frozen=True)
class Global:
    """A name that the file mentions; never looked up."""

    name: str


@dataclass(frozen=True)
class StorageRef:
    """The bytes of one storage: its key in the file, element type (numpy's word, or bfloat16) and length."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor as a view of a storage, in elements."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Scalar:
    """A numpy scalar: its type and bytes."""

    dtype: str
    data: bytes


@dataclass(frozen=True)
class Inert:
    """An object of a foreign class: its name and nothing else. It was not made, and what it held was dropped."""

    name: str


@dataclass(frozen=True)
class DType:
    """The element type of a numpy scalar, such as f8."""

    code: str


STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
}  # fmt: skip


def dict_key(key: Any) -> Any:
    """The key, if it is text or a small number: a nested tuple's hash would recurse in C, huge ones may collide.

    A placeholder, a fraction or a short flat tuple is kept as the text that shows it.
    """
    if isinstance(key, Inert | float | bytes):
        return f"<{key.name if isinstance(key, Inert) else repr(key)[:80]}>"
    if isinstance(key, tuple) and len(key) <= 8 and all(isinstance(k, str | int | float | None) for k in key):
        return f"<{repr(key)[:200]}>"
    if not isinstance(key, str | int | None) or (isinstance(key, int) and abs(key) >= 2**48):
        raise ValueError("a dict key that is neither text nor a number")
    return key


def natural(value: Any) -> int:
    """The value, if it can be a size or an offset."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**48:
        raise ValueError("a size or offset out of range")
    return value


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> TensorRef | Inert:
    if isinstance(storage, Inert):
        return Inert(f"a tensor of {storage.name}")
    if not isinstance(storage, StorageRef) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("a tensor without a storage")
    if len(shape) != len(strides) or len(shape) > 16:
        raise ValueError("a tensor whose shape and strides differ in length")
    sizes, steps = (tuple(map(natural, values)) for values in (shape, strides))
    return TensorRef(storage, natural(offset), sizes, steps)


def _parameter(data: Any, *_: Any) -> TensorRef | Inert:
    if isinstance(data, Inert):
        return data
    if not isinstance(data, TensorRef):
        raise ValueError("a parameter that is not a tensor")
    return data


def _dtype(code: Any, *_: Any) -> DType:
    if not isinstance(code, str) or code not in (
        "f8",
        "f4",
        "f2",
        "i8",
        "i4",
        "i2",
        "i1",
        "u1",
        "u2",
        "u4",
        "u8",
        "b1",
    ):
        raise ValueError("a numpy scalar of unknown type")
    return DType(code)


def _scalar(dtype: Any, data: Any) -> Scalar:
    if not isinstance(dtype, DType) or not isinstance(data, bytes) or len(data) != int(dtype.code[1:]):
        raise ValueError("a numpy scalar whose bytes do not fit its type")
    return Scalar("<" + dtype.code, data)


def _size(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, tuple) or len(sizes) > 16:
        raise ValueError("a shape of too many sizes")
    return tuple(map(natural, sizes))


def _latin_bytes(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1" or len(text) > 8:
        raise ValueError("bytes of something else than a number")
    return text.encode("latin1")


CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": _size,
    ORDERED: dict,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "_codecs.encode": _latin_bytes,
}
"""What a pickle may call, and the function of this module that answers in its place.

None copies more than a few items: a call on what a file says once and mentions often must not multiply it.
"""

TENSORS = frozenset(name for name in CALLS if name.startswith("torch._utils."))
"""Those that make tensors: where one makes no sense the file is damaged; any other call leaves a placeholder."""
