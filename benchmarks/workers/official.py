"""The official PyTorch code, its timm stood in for; run by itself it exports ONNX: CHECKOUT MODEL SIZE BATCH FOLDER.

Four files where the exporters can: by tracing and by torch.export, with a fixed and with a free number of images; each
runtime then takes what it computes fastest. It prints their names, one a line, and on stderr which could not be made.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from pathlib import Path

import torch

OPSET = 17


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
    checkout, model, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[5])
    size, batch = int(sys.argv[3]), int(sys.argv[4])
    warnings.simplefilter("ignore")
    network = getattr(official(checkout), model)(img_size=size).eval()
    images = torch.randn(batch, 3, size, size)
    for exporter in ("traced", "exported"):
        for count in ("fixed", "free"):
            file = folder / f"{model}-{size}-{batch}-{exporter}-{count}.onnx"
            try:
                export(network, images, file, dynamo=exporter == "exported", free=count == "free")
            except Exception as error:  # an exporter raises anything
                print(f"{file.name}: {type(error).__name__}: {str(error)[:200]!r}", file=sys.stderr)
            else:
                print(file, flush=True)


def export(network: torch.nn.Module, images: torch.Tensor, file: Path, *, dynamo: bool, free: bool) -> None:
    names = {"input_names": ["images"], "output_names": ["logits"]}
    if dynamo:
        shapes = ({0: torch.export.Dim("n")},) if free else None
        torch.onnx.export(
            network, (images,), str(file), dynamo=True, dynamic_shapes=shapes, external_data=False, **names
        )
    else:
        axes = {"images": {0: "n"}, "logits": {0: "n"}} if free else None
        torch.onnx.export(
            network, (images,), str(file), opset_version=OPSET, dynamo=False, dynamic_axes=axes, **names
        )


if __name__ == "__main__":
    main()
