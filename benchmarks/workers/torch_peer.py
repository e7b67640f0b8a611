"""The official PyTorch code, eager: CHECKOUT MODEL BATCH STEPS. What it takes from timm is stood in for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from official import official
from timing import report


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
