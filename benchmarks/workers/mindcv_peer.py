"""MindCV's code as shipped, graph mode: CHECKOUT MODEL BATCH STEPS. Its model file is loaded alone."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn
from timing import report

NAMES = {
    "cmt_ti": ("cmt_tiny", 160),
    "cmt_xs": ("cmt_xsmall", 192),
    "cmt_s": ("cmt_small", 224),
    "cmt_b": ("cmt_base", 256),
}


def load(checkout: Path, name: str) -> types.ModuleType:
    models = checkout / "mindcv" / "models"
    for package, path in (
        ("mindcv", checkout / "mindcv"),
        ("mindcv.models", models),
        ("mindcv.models.layers", models / "layers"),
    ):
        module = types.ModuleType(package)
        module.__path__ = [str(path)]
        sys.modules[package] = module
    for part in ("helpers", "registry"):
        module = types.ModuleType(f"mindcv.models.{part}")
        module.__dict__.update(load_pretrained=None, register_model=lambda function: function)
        sys.modules[f"mindcv.models.{part}"] = module
    spec = importlib.util.spec_from_file_location(f"mindcv.models.{name}", models / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    checkout, model, batch, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    name, size = NAMES[model]
    ms.set_context(mode=ms.GRAPH_MODE)
    network = getattr(load(checkout, "cmt"), name)(drop_path_rate=0.1)
    loss = nn.WithLossCell(network, nn.CrossEntropyLoss(label_smoothing=0.1))
    optimizer = nn.AdamWeightDecay(network.trainable_params(), 1e-4, weight_decay=0.05)
    step = nn.TrainOneStepCell(loss, optimizer).set_train()
    test = getattr(load(checkout, "cmt"), name)().set_train(False)
    random = np.random.default_rng(0)
    images = ms.Tensor(random.standard_normal((batch, 3, size, size)).astype(np.float32))
    labels = ms.Tensor(random.integers(0, 1000, batch).astype(np.int32))
    report(lambda: step(images, labels).asnumpy(), lambda: test(images).asnumpy(), steps)


main()
