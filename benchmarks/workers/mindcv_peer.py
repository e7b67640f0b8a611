"""MindCV's code as shipped, graph mode: CHECKOUT MODEL BATCH STEPS. Its model file is loaded alone."""

from __future__ import annotations

import importlib
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
    """One model file and its layers, without the package's data pipelines and downloads."""
    sys.path.insert(0, str(checkout))
    for package in ("mindcv", "mindcv.models", "mindcv.utils"):
        module = types.ModuleType(package)
        module.__path__ = [str(checkout / package.replace(".", "/"))]
        sys.modules[package] = module
    download = types.ModuleType("mindcv.utils.download")
    download.DownLoad = download.get_default_download_root = None
    registry = types.ModuleType("mindcv.models.registry")
    registry.register_model = lambda function: function
    sys.modules |= {download.__name__: download, registry.__name__: registry}
    return importlib.import_module(f"mindcv.models.{name}")


def main() -> None:
    checkout, model, batch, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    name, size = NAMES[model]
    ms.set_context(mode=ms.GRAPH_MODE)
    model_file = load(checkout, "cmt")
    network = getattr(model_file, name)(drop_path_rate=0.1)
    loss = nn.WithLossCell(network, nn.CrossEntropyLoss(label_smoothing=0.1))
    optimizer = nn.AdamWeightDecay(network.trainable_params(), 1e-4, weight_decay=0.05)
    step = nn.TrainOneStepCell(loss, optimizer).set_train()
    test = getattr(model_file, name)().set_train(False)
    random = np.random.default_rng(0)
    images = ms.Tensor(random.standard_normal((batch, 3, size, size)).astype(np.float32))
    labels = ms.Tensor(random.integers(0, 1000, batch).astype(np.int32))
    report(lambda: step(images, labels).asnumpy(), lambda: test(images).asnumpy(), steps)


main()
