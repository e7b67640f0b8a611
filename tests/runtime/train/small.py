"""A CMT that compiles in seconds, with drop path and dropout, and one training step of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cmt_dsl import Graph, build, load
from tests.tiny import PICO

_PICO = yaml.safe_load(Path(PICO).read_text())
SETS = {**_PICO["set"], "drop_path": _PICO["drop_path"]}
"""What makes cmt_nano the model of tests/pico.yaml."""
PLAIN = {"drop_path": 0.0, "head.args.dropout": 0.0}


def small(**sets: Any) -> Graph:
    return build(load("cmt_nano", set={**SETS, **sets}))


class Trained:
    """`graph` under the digits recipe with `sets`: `step(times)` on the same random batch."""

    def __init__(self, graph: Graph, *sets: str, batch: int = 8):
        from cmt_dsl import to_cell
        from runtime.device.environment import set_device
        from runtime.device.precision import in_precision
        from runtime.engines.mindspore.step import train_step
        from runtime.recipe.read import load_recipe

        self.recipe, self.graph = load_recipe("digits", overrides=sets, restated=[]), graph
        device = self.recipe.device
        set_device(device)
        self.cell = to_cell(graph, seed=0)
        self.net = in_precision(self.cell, device.amp, device.amp_dtype)
        self.train_step = train_step(self.net, graph, self.recipe, False)
        rng = np.random.default_rng(1)
        self.images = rng.normal(size=(batch, *graph.input.type.sizes)).astype(np.float32)
        self.targets = np.eye(10, dtype=np.float32)[rng.integers(0, 10, batch)]

    def step(
        self, times: int = 1, part: slice = slice(None), rate: float = 0.01, fed: Any = None
    ) -> list[float]:
        """Losses of `times` steps on a part of the batch."""
        import mindspore as ms

        step = self.train_step if fed is None else fed
        results = [
            step(ms.Tensor(self.images[part]), ms.Tensor(self.targets[part]), ms.Tensor(rate, ms.float32))
            for _ in range(times)
        ]
        return [float(loss.asnumpy()) for loss, _ in results]

    @property
    def weights(self) -> dict[str, np.ndarray]:
        from cmt_dsl.lower.mindspore.cell import read

        return read(self.cell, self.graph)
