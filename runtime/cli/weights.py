"""The verbs that move weights and run them: convert, adapt, run, features."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from cmt_dsl.errors import CmtError

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change the model, e.g. classes=37. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")]


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


class Backend(str, Enum):
    """What computes."""

    mindspore = "mindspore"
    numpy = "numpy"


def convert(
    file: Annotated[Path, typer.Argument(help="A .pth, .ckpt or .safetensors file of weights.")],
    to: Annotated[To, typer.Option(help="native: ours; official: .pth; mindcv, ckpt (our Cells): .ckpt.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to; default: beside FILE.")] = None,
    spec: Annotated[str | None, typer.Option(help="The model, if it is not a shipped one.")] = None,
    set: Sets = None,
    weights: Annotated[
        str | None, typer.Option(metavar="KEY", help="Which state dict of a .pth: model, model_ema, …")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Carry the weights over to this profile.")] = None,
    names: Annotated[Names, typer.Option(help="Names in a plain safetensors file.")] = Names.official,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Convert weights among official .pth, MindCV .ckpt, safetensors and native files; nothing in FILE is executed."""
    from runtime.checkpoint.convert import default_out, load_weights, to_profile, write_weights

    if set and spec is None:
        raise typer.BadParameter("--set changes the model that --spec names: give both")
    out = out if out is not None else default_out(file, to.value)
    _free(out, overwrite, file)
    found = load_weights(file, spec=spec, overrides=tuple(set or ()), which=weights)
    facts: dict[str, Any] = {
        "file": str(file),
        "source": found.source,
        "model": found.model.name,
        "profile": found.model.profile.profile,
        "input": list(found.graph.input.type.sizes),
        "classes": found.model.classes,
        "notes": list(found.notes),
    }
    lines = [f"{file}: {found.source}: {found.model.name}, profile {facts['profile']}", *found.notes]
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


def _free(out: Path, overwrite: bool, *sources: Path) -> None:
    """CMT-637 if `out` is one of the sources, or is there and may not be replaced."""
    if any(out.resolve() == source.resolve() for source in sources):
        raise CmtError("CMT-637", f"{out} is the file that is read", hint="choose another -o")
    if out.exists() and not overwrite:
        raise CmtError("CMT-637", f"{out} is already there", hint="add --overwrite, or choose another -o")
