"""Options and arguments that several verbs take, said once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from cmt_dsl.errors import CmtError

Precision = Literal["float32", "float16", "bfloat16"]
Spec = Annotated[str, typer.Argument(metavar="SPEC", help="Model: a shipped name or a YAML file.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change the model, e.g. stages.2.depth=20. Repeatable."),
]
RunSets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change the model (classes=10) or the recipe (train.epochs=5). Repeatable.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on stdout; progress goes to stderr.")
]
Data = Annotated[
    str,
    typer.Option(
        help="'digits', or a folder: train/CLASS/*.jpg and val/CLASS/*.jpg, CIFAR's binary files, or "
        "train.mindrecord and val.mindrecord."
    ),
]
Distributed = Annotated[
    bool | None,
    typer.Option(
        "--distributed/--no-distributed",
        help="Be one of msrun's workers, or run alone. Default: as started.",
        show_default=False,
    ),
]


def weights_of(text: str) -> Path:
    """How every argument that takes a checkpoint is read: a path, or pretrained:NAME."""
    from runtime.published.reference import weights_file

    return weights_file(text)


def file_or_name(text: str) -> str:
    """How an argument is read that also takes something else than weights: pretrained:NAME becomes its file."""
    return str(weights_of(text)) if text.startswith("pretrained:") else text


Checkpoint = Annotated[
    Path,
    typer.Argument(
        metavar="CKPT",
        parser=weights_of,
        help="A .safetensors checkpoint, e.g. of a run; or pretrained:NAME.",
    ),
]
WeightsFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        parser=weights_of,
        help="A checkpoint, any file that `cmt convert` reads, or pretrained:NAME.",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="raw|ema",
        help="The weights as trained, or their moving average; of a .pth also by key.",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        help="The model's class names in the order of its logits, one a line; or 'imagenet'.",
    ),
]
ClassOrder = Annotated[
    Literal["text", "natural"] | None,
    typer.Option("--class-order", help="How class folders are sorted: 10 before 2, or by number."),
]
TrainName = Annotated[
    str | None, typer.Option("--train-name", help="Folder of the training images. Default: train.")
]
ValName = Annotated[
    str | None, typer.Option("--val-name", help="Folder of the held-out images. Default: val.")
]
SpecOf = Annotated[
    str | None,
    typer.Option(
        "--spec", metavar="SPEC", help="The model of another project's weights, if not a shipped one."
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="NAME[:PLACE]",
        help="What computes: mindspore, numpy, onnxruntime, openvino, or another that is installed; and where.",
    ),
]
In = Annotated[
    Precision, typer.Option("--precision", help="What products are computed in.", show_default=True)
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Processor threads. Default: the backend's choice.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")]


def edits(named: Mapping[str, str | None]) -> tuple[str, ...]:
    """Options that are short for an edit of the recipe, as `--set` has them: value by path, None where not given."""
    return tuple(f"{path}={json.dumps(value)}" for path, value in named.items() if value is not None)


def require_free(out: Path, overwrite: bool, *sources: Path) -> None:
    """CMT-637 if `out` is one of the sources, or is there and may not be replaced."""
    if any(out.resolve() == source.resolve() for source in sources):
        raise CmtError("CMT-637", f"{out} is the file that is read", hint="choose another -o")
    if out.exists() and not overwrite:
        raise CmtError("CMT-637", f"{out} is already there", hint="add --overwrite, or choose another -o")
