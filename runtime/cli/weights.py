"""The verbs that move weights from file to file: convert, adapt."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.checkpoint.change.adapt import adapted
from runtime.checkpoint.change.crossing import to_profile
from runtime.checkpoint.convert import default_out, write_weights
from runtime.checkpoint.load import load_weights
from runtime.cli.options import (
    Classes,
    Json,
    Overwrite,
    Sets,
    SpecOf,
    Weights,
    WeightsFile,
    require_free,
    weights_of,
)
from runtime.data.classes import class_names
from runtime.published.reference import beside


class To(str, Enum):
    """What `cmt convert` writes."""

    native = "native"
    official = "official"
    mindcv = "mindcv"
    ckpt = "ckpt"
    safetensors = "safetensors"


class Names(str, Enum):
    """How `cmt convert --to safetensors` names tensors."""

    official = "official"
    mindcv = "mindcv"
    own = "own"


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", parser=weights_of, help="A .pth, .ckpt or .safetensors file, or pretrained:NAME."
        ),
    ],
    to: Annotated[To, typer.Option(help="native: ours; official: .pth; mindcv, ckpt (our Cells): .ckpt.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to; default: beside FILE.")] = None,
    spec: SpecOf = None,
    set: Sets = None,
    weights: Weights = "raw",
    profile: Annotated[str | None, typer.Option(help="Carry the weights over to this profile.")] = None,
    names: Annotated[Names, typer.Option(help="Names in a plain safetensors file.")] = Names.official,
    classes: Classes = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Convert weights among .pth, .ckpt, safetensors and ours.

    The model is recognised from names and shapes; nothing in FILE is executed.
    """
    if set and spec is None:
        raise typer.BadParameter("--set changes the model that --spec names: give both")
    out = out if out is not None else beside(file, default_out(file, to.value))
    require_free(out, overwrite, file)
    found = load_weights(file, spec=spec, overrides=tuple(set or ()), which=weights)
    if classes is not None:
        if to is not To.native:
            raise typer.BadParameter("--classes are kept in our own files alone: --to native")
        found = found.named(class_names(classes), classes)
    facts: dict[str, Any] = {
        "file": str(file),
        "source": found.source,
        "model": found.model.name,
        "profile": found.model.profile.profile,
        "input": list(found.graph.input.type.sizes),
        "classes": found.model.classes,
        "class_names": list(found.class_names),
        "weights": found.which,
        "notes": list(found.notes),
    }
    lines = [
        f"{file}: {found.source}: {found.model.name}, profile {facts['profile']}, {found.which} weights",
        *found.notes,
    ]
    if profile is not None and profile != facts["profile"]:
        found, crossing = to_profile(found, profile)
        facts |= {"to_profile": profile, "changes": crossing.changes, "logit_difference": crossing.difference,
                  "largest_logit": crossing.largest, "same_top1": crossing.same_top1}  # fmt: skip
        lines += [f"profile {facts['profile']} → {profile}:", *(f"  {c}" for c in crossing.changes)]
        lines.append(f"  {crossing.text()}")
    count = write_weights(out, found, to.value, names.value)
    facts |= {"out": str(out), "to": to.value, "tensors": count}
    lines.append(f"{out}: {count} tensors, {to.value}")
    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))


def adapt(
    checkpoint: WeightsFile,
    out: Annotated[Path, typer.Option("-o", "--out", help="The adapted checkpoint.")],
    size: Annotated[str | None, typer.Option(help="Input: HEIGHTxWIDTH, or one number.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|FILE", help="Number of classes, or a file of their names; the classifier starts anew."
        ),
    ] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Input channels.")] = None,
    set: Sets = None,
    weights: Weights = "raw",
    spec: SpecOf = None,
    allow_depth: Annotated[
        bool, typer.Option("--allow-depth", help="Let stages gain or lose blocks.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of what is initialised anew.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Fit weights to another size, classes, channels or depth.

    Says what was changed.
    """
    require_free(out, overwrite, checkpoint)
    edits = list(set or ())
    if size is not None:
        edits.append(f"input.size={_sides(size)}")
    listed = class_names(classes) if classes is not None and not classes.isdecimal() else ()
    if classes is not None and classes.isdecimal() and int(classes) < 1:
        raise typer.BadParameter(f"--classes {classes}: there must be one at least")
    edits += [f"classes={len(listed) or int(classes)}"] if classes is not None else []
    edits += [f"input.channels={channels}"] if channels is not None else []
    found = load_weights(checkpoint, spec=spec, which=weights, anew=seed)
    made, notes = adapted(found, edits, allow_depth=allow_depth, seed=seed)
    if listed and classes is not None:
        made = made.named(listed, classes)
    write_weights(out, made, "native")
    facts = {"checkpoint": str(checkpoint), "model": made.model.name, "input": list(made.graph.input.type.sizes),
             "classes": made.model.classes, "weights": found.which, "notes": [*found.notes, *notes], "out": str(out)}  # fmt: skip
    shapes = f"{found.graph.input.type} → {made.graph.input.type}"
    lines = [f"{checkpoint}: {found.source}, {found.which} weights", *found.notes]
    lines += [*(notes or ["nothing had to change"]), f"{out}: {made.model.name}, {shapes}"]
    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))


def _sides(text: str) -> list[int]:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"--size {text}: give HEIGHTxWIDTH such as 256x320, or one number")
    return [int(parts[0]), int(parts[-1])]
