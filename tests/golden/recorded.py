"""The recorded runs of the official and the MindCV code, and the weights both sides derive from names."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import Graph, build, load
from cmt_dsl.weights.names import foreign_names

DATA = Path(__file__).parent / "data"
STATISTICS = {"running_var", "moving_variance", "running_mean", "moving_mean", "num_batches_tracked"}
MODELS = {
    "official_cmt_ti": ("cmt_ti", "official"),
    "official_cmt_s": ("cmt_s", "official"),
    "mindcv_cmt_tiny": ("cmt_ti", "mindcv"),
    "mindcv_cmt_small": ("cmt_s", "mindcv"),
}


@dataclass(frozen=True)
class Recorded:
    name: str

    @cached_property
    def facts(self) -> dict[str, Any]:
        return json.loads((DATA / f"{self.name}.json").read_text())

    @property
    def source(self) -> str:
        return MODELS[self.name][1]

    @property
    def logits(self) -> np.ndarray:
        return np.load(DATA / f"{self.name}.npz")["logits"]

    @property
    def images(self) -> np.ndarray:
        size = self.facts["img_size"]
        return np.random.RandomState(0).randn(2, 3, size, size).astype("float32")

    def graph(self, **sets: Any) -> Graph:
        model, profile = MODELS[self.name]
        return build(load(model, set={"profile": profile, **sets}))

    def weights(self, graph: Graph) -> dict[str, np.ndarray]:
        names = foreign_names(graph, self.source)
        shapes = {k: tuple(v) for k, v in self.facts["state"]}
        return {path: weight(name, shapes[name], self.source) for path, name in names.items()}


def weight(name: str, shape: tuple[int, ...], source: str) -> np.ndarray:
    random = np.random.RandomState(zlib.crc32(name.encode()))
    last = name.rsplit(".", 1)[-1]
    if last in ("running_var", "moving_variance"):
        return (0.5 + random.rand(*shape)).astype(np.float32)
    a = random.randn(*shape)
    if last in ("running_mean", "moving_mean"):
        return (0.1 * a).astype(np.float32)
    scale = last == "gamma" if source == "mindcv" else last == "weight"
    if len(shape) == 1:
        return ((1 if scale else 0) + 0.1 * a).astype(np.float32)
    if name.startswith("relative_pos"):
        return (0.1 * a).astype(np.float32)
    return (a / np.sqrt(prod(shape[1:]))).astype(np.float32)
