"""Weights of which nothing is special: what holds for them holds for trained ones."""

from __future__ import annotations

from math import prod

import numpy as np

from cmt_dsl.ir import Array, Graph


def arbitrary(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Random float32 weights by path, nothing 0 or 1 by chance: scales of both signs, variances of 0.3 to 3.

    Matrices and kernels are scaled by their fan-in, so that values stay of the order of 1 through a deep model.
    """
    random = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for info in graph.params:
        spread = random.standard_normal(info.shape) / max(1, prod(info.shape[1:])) ** 0.5
        statistic = random.uniform(0.3, 3, info.shape)
        found[info.path] = (statistic if info.path.endswith("running_var") else spread).astype(np.float32)
    return found
