"""Kernels called without MindSpore, as it would call them."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from cmt_dsl.lower.mindspore.kernels import KERNELS, state

COMPILED = """\
norm: {op: layer_norm, eps: 1.0e-2}
local: {op: conv2d, out: 3, kernel: 3, padding: 1, groups: 3}
sum: {op: add, in: [local, norm]}
act: {op: gelu, form: erf}
wide: {op: conv2d, out: 3, kernel: [5, 1], padding: [2, 0], groups: 3, bias: false}
last: {op: gelu, form: tanh}"""
"""Nodes of a block, for `tests.tiny`: each operator that has kernels."""


@lru_cache(maxsize=1)
def library() -> Any:
    found = state()
    if found.path is None:
        pytest.fail(f"the kernels cannot be tested: {found.why}")
    return ctypes.CDLL(str(found.path))


def code(name: str, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> int:
    """What the kernel returns."""
    arrays = [*inputs, *outputs]
    count = len(arrays)
    assert all(a.flags.c_contiguous for a in arrays)
    data = (ctypes.c_void_p * count)(*(a.ctypes.data for a in arrays))
    dims = (ctypes.c_int * count)(*(a.ndim for a in arrays))
    shapes = [(ctypes.c_int64 * a.ndim)(*a.shape) for a in arrays]
    pointer = ctypes.POINTER(ctypes.c_int64)
    sizes = (pointer * count)(*(ctypes.cast(s, pointer) for s in shapes))
    types = (ctypes.c_char_p * count)(*(a.dtype.name.encode() for a in arrays))
    return getattr(library(), name)(count, data, dims, sizes, types, None, None)


def call(name: str, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """The outputs, of the shapes that MindSpore is told."""
    shapes, count = KERNELS[name]
    found: Any = shapes(*(a.shape for a in inputs))
    outputs = [np.full(s, 7.0, np.float32) for s in (found if count > 1 else (found,))]
    assert code(name, list(inputs), outputs) == 0
    return tuple(outputs)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
