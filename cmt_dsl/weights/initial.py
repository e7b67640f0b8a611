"""How parameters start."""

from __future__ import annotations

import zlib

import numpy as np

from cmt_dsl.ir import Array, Graph, ParamInfo


def initial(graph: Graph, seed: int) -> dict[str, Array]:
    """Starting values, a function of the seed and each parameter's path alone."""
    return {info.path: _start(info, seed) for info in graph.params}


def _start(info: ParamInfo, seed: int) -> Array:
    if isinstance(info.init, float):
        return np.full(info.shape, info.init, np.float32)
    if info.init in ("zeros", "ones"):
        return (np.zeros if info.init == "zeros" else np.ones)(info.shape, np.float32)
    random = np.random.default_rng([seed, zlib.crc32(info.path.encode())])
    values = random.standard_normal(info.shape, dtype=np.float32)
    if info.init == "he_fan_out":
        return values * np.float32((2.0 / info.fan_out) ** 0.5)
    if info.init == "trunc_normal_02":
        return np.clip(values * np.float32(0.02), -2, 2)
    return values
