"""The official PyTorch code, eager: CHECKOUT MODEL BATCH STEPS. What it takes from timm is stood in for."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path

import torch
from timing import report


class DropPath(torch.nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * mask.div_(keep)


def stand_in(name: str, **contents: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module


def official(checkout: Path) -> types.ModuleType:
    stand_in("timm")
    stand_in("timm.models")
    stand_in("timm.data", IMAGENET_DEFAULT_MEAN=None, IMAGENET_DEFAULT_STD=None)
    stand_in("timm.models.helpers", load_pretrained=None)
    stand_in(
        "timm.models.layers",
        DropPath=DropPath,
        to_2tuple=lambda v: (v, v),
        trunc_normal_=torch.nn.init.trunc_normal_,
    )
    stand_in("timm.models.resnet", resnet26d=None, resnet50d=None)
    stand_in("timm.models.registry", register_model=lambda function: function)
    spec = importlib.util.spec_from_file_location("official_cmt", checkout / "cmt.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    checkout, model, batch, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(os.cpu_count() or 1)
    size = {"cmt_ti": 160, "cmt_xs": 192, "cmt_s": 224, "cmt_b": 256}[model]
    network = getattr(official(checkout), model)(img_size=size, drop_path_rate=0.1).train()
    weights, others = ([p for p in network.parameters() if (p.ndim > 1) == many] for many in (True, False))
    groups = [{"params": weights, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4)
    images, labels = torch.randn(batch, 3, size, size), torch.randint(0, 1000, (batch,))

    def train() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels, label_smoothing=0.1).backward()
        optimizer.step()

    def infer() -> None:
        network.eval()
        with torch.no_grad():
            network(images)

    report(train, infer, steps)


main()
