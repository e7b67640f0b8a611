"""A head start at another size: cmt_ti learns digits at 160 pixels, goes to 224, and trains on beside a fresh start.

python benchmarks/adapt.py [--model cmt_ti] [--sizes 160 224] [--learn 80] [--steps 12] [--batch 8]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from cmt_dsl import Graph, build, load, to_cell
from cmt_dsl.lower.mindspore.cell import read, write
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.change.adapt import adapt
from runtime.data.source import View
from runtime.data.stores.digits import Digits
from runtime.device.environment import mindspore, set_device
from runtime.recipe.read import load_recipe
from runtime.recipe.schema import DeviceGroup


class Training:
    """Adam on digits at a graph's size, from any weights: one compiled step."""

    def __init__(self, graph: Graph, batch: int) -> None:
        nn = mindspore().nn
        set_device(DeviceGroup())  # graph mode: MindSpore's own default is several times slower
        self.graph, self.batch, self.cell = graph, batch, to_cell(graph)
        self.adam = nn.Adam(self.cell.trainable_params(), 5e-4)
        self.start = {name: p.asnumpy().copy() for name, p in self.adam.parameters_dict().items()}
        loss = nn.WithLossCell(self.cell, nn.CrossEntropyLoss())
        self.step = nn.TrainOneStepCell(loss, self.adam).set_train()

    def run(self, weights: dict[str, Any], steps: int) -> tuple[list[float], dict[str, Any]]:
        """Losses of the steps, and the weights after them."""
        ms = mindspore()
        for name, parameter in self.adam.parameters_dict().items():
            parameter.set_data(ms.Tensor(self.start[name]))
        write(self.cell, self.graph, weights)
        side = int(self.graph.input.type.sizes[-1] or 0)
        source = Digits(View(3, side, side, 1.0), load_recipe("digits").augment)
        batches = (part for epoch in range(99) for part in source.train(self.batch, 0, epoch))
        losses: list[float] = []
        for _, part in zip(range(steps), batches, strict=False):
            losses.append(float(self.step(ms.Tensor(part.images), ms.Tensor(part.labels)).asnumpy()))
        return losses, read(self.cell, self.graph)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cmt_ti")
    parser.add_argument("--sizes", type=int, nargs=2, default=(160, 224))
    parser.add_argument("--learn", type=int, default=80)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    sets = {"classes": 10, "drop_path": 0.0, "head.args.dropout": 0.0}
    before, after = (build(load(options.model, set={**sets, "input.size": s})) for s in options.sizes)
    losses, learned = Training(before, options.batch).run(initial(before, 0), options.learn)
    print(
        f"{options.model} at {options.sizes[0]}: loss {losses[0]:.3f} → {np.mean(losses[-10:]):.3f}",
        flush=True,
    )
    adapted, _ = adapt(learned, before, after)
    training = Training(after, options.batch)
    for name, weights in (("adapted", adapted), ("fresh", initial(after, 0))):
        losses, _ = training.run(weights, options.steps)
        half = options.steps // 2
        print(
            f"at {options.sizes[1]}, {name}: first loss {losses[0]:.3f}, "
            f"mean of steps {half + 1} to {options.steps}: {np.mean(losses[half:]):.3f}",
            flush=True,
        )


main()
