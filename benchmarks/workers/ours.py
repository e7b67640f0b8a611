"""Our step and inference: PROFILE MODEL BATCH STEPS [RECIPE OVERRIDE]…; without the published moving average."""

from __future__ import annotations

import sys

from timing import report

from runtime.device.environment import mindspore


def main() -> None:
    profile, model, batch, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    ms = mindspore()
    import numpy as np

    from cmt_dsl import build, load, to_cell
    from runtime.data.mixing import soft_targets
    from runtime.engines.mindspore.step import train_step
    from runtime.recipe.read import load_recipe

    ms.set_context(mode=ms.GRAPH_MODE)
    spec = load(model, set={"profile": profile})
    graph = build(spec)
    cell = to_cell(graph)
    step = train_step(cell, graph, load_recipe("cmt_s", overrides=("train.ema=null", *sys.argv[5:])), False)
    random = np.random.default_rng(0)
    images = ms.Tensor(random.standard_normal((batch, *graph.input.type.sizes)).astype(np.float32))
    labels = random.integers(0, spec.classes, batch)
    targets = ms.Tensor(soft_targets(labels, spec.classes, 0.1))
    rate = ms.Tensor(1e-4, ms.float32)
    test = to_cell(graph)

    report(lambda: step(images, targets, rate)[0].asnumpy(), lambda: test(images).asnumpy(), steps)


main()
