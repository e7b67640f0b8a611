"""The verbs that move weights and run them: convert, adapt, run, features."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmt_dsl.errors import CmtError
from runtime.cli.computing import Backend, quietly

if TYPE_CHECKING:
    from runtime.checkpoint.compute import Compute
    from runtime.checkpoint.convert import Imported

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


def adapt(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or any file that `cmt convert` reads.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The adapted checkpoint.")],
    size: Annotated[str | None, typer.Option(help="Input: HEIGHTxWIDTH, or one number.")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Classes; the classifier starts anew.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Input channels.")] = None,
    set: Sets = None,
    allow_depth: Annotated[
        bool, typer.Option("--allow-depth", help="Let stages gain or lose blocks.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of what is initialised anew.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Weights for another input size, other classes, channels or depth; says what was changed."""
    from runtime.checkpoint.convert import adapted, load_weights, write_weights

    _free(out, overwrite, checkpoint)
    edits = list(set or ())
    if size is not None:
        edits.append(f"input.size={_sides(size)}")
    edits += [f"classes={classes}"] if classes is not None else []
    edits += [f"input.channels={channels}"] if channels is not None else []
    found = load_weights(checkpoint)
    made, notes = adapted(found, edits, allow_depth=allow_depth, seed=seed)
    write_weights(out, made, "native")
    facts = {"checkpoint": str(checkpoint), "model": made.model.name, "input": list(made.graph.input.type.sizes),
             "classes": made.model.classes, "notes": list(notes), "out": str(out)}  # fmt: skip
    shapes = f"{found.graph.input.type} → {made.graph.input.type}"
    lines = [*found.notes, *(notes or ["nothing had to change"]), f"{out}: {made.model.name}, {shapes}"]
    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))


def _sides(text: str) -> list[int]:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"--size {text}: give HEIGHTxWIDTH such as 256x320, or one number")
    return [int(parts[0]), int(parts[-1])]


def _free(out: Path, overwrite: bool, *sources: Path) -> None:
    """CMT-637 if `out` is one of the sources, or is there and may not be replaced."""
    if any(out.resolve() == source.resolve() for source in sources):
        raise CmtError("CMT-637", f"{out} is the file that is read", hint="choose another -o")
    if out.exists() and not overwrite:
        raise CmtError("CMT-637", f"{out} is already there", hint="add --overwrite, or choose another -o")


def run(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or any file that `cmt convert` reads.")],
    input: Annotated[Path, typer.Option(help="Images: a .npy of float32 [n, channels, height, width].")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Logits: a .npy of float32 [n, classes].")],
    backend: Annotated[Backend, typer.Option(help="What computes.")] = Backend.mindspore,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Float32 images in, logits out: no augmentation, no normalisation, for comparing numbers."""
    import numpy as np

    from runtime.checkpoint.compute import in_batches, read_images
    from runtime.checkpoint.convert import load_weights

    _free(out, overwrite, checkpoint, input)
    found = load_weights(checkpoint)
    images = read_images(input, found.graph)
    with _computing(found, (), backend) as compute:
        logits = np.concatenate([values[0] for values in in_batches(compute, images, batch)])
    _save_array(out, logits)
    facts = {"checkpoint": str(checkpoint), "model": found.model.name, "backend": backend.value, "out": str(out),
             "shape": list(logits.shape), "largest": float(np.abs(logits).max())}  # fmt: skip
    text = f"{out}: logits {list(logits.shape)} of {found.model.name} by {backend.value}"
    typer.echo(json.dumps(facts) if as_json else "\n".join([*found.notes, text]))


def features(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or any file that `cmt convert` reads.")],
    data: Annotated[str, typer.Option(help="'digits', or a folder of class folders; val images are read.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .npz: one array a path, labels, classes.")],
    at: Annotated[list[str] | None, typer.Option(help="A stage, stem or head. Default: all stages.")] = None,
    pool: Annotated[bool, typer.Option("--pool", help="Average each map: [n, c].")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many images.")] = None,
    backend: Annotated[
        Backend, typer.Option(help="What computes; numpy gives any block or operator.")
    ] = Backend.mindspore,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Feature maps of held-out images at chosen places of the model."""
    import io

    import numpy as np

    from cmt_dsl import pyramid
    from runtime.atomic import write_atomically
    from runtime.checkpoint.convert import load_weights
    from runtime.data.source import View, open_source
    from runtime.recipe.read import recipe_from

    _free(out, overwrite, checkpoint)
    found = load_weights(checkpoint)
    paths = tuple(at or pyramid(found.graph))
    for path in paths:
        found.graph.output_of(path)  # an unknown one is reported before anything is computed
    recipe = found.checkpoint.recipe if found.checkpoint else {}
    group = recipe_from(recipe).data if recipe else None  # converted weights bring none
    source = open_source(data, View.of(found.model, group.eval_crop if group else None), group=group)
    count = min(limit if limit is not None else source.val_size, source.val_size)
    kept: dict[str, list[Any]] = {path: [] for path in paths}
    labels: list[Any] = []
    with _computing(found, paths, backend) as compute:
        for part in source.val(min(batch, count)):
            rows = min(part.count, count - sum(map(len, labels)))
            for path, value in zip(paths, compute(part.images), strict=True):
                kept[path].append(
                    value[:rows].mean(axis=(2, 3)) if pool and value.ndim == 4 else value[:rows]
                )
            labels.append(part.labels[:rows])
            if not as_json:
                typer.echo(f"\r{sum(map(len, labels))} of {count} images", nl=False, err=True)
            if sum(map(len, labels)) == count:
                break
    if not as_json:
        typer.echo("", err=True)
    arrays = {path: np.concatenate(values) for path, values in kept.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, labels=np.concatenate(labels), classes=np.array(source.classes))  # pyright: ignore
    write_atomically(out, buffer.getbuffer())
    shapes = {path: list(value.shape) for path, value in arrays.items()}
    facts = {"checkpoint": str(checkpoint), "model": found.model.name, "out": str(out), "shapes": shapes}
    text = ", ".join(f"{path} {shape}" for path, shape in shapes.items())
    typer.echo(json.dumps(facts) if as_json else f"{out}: {text}")


@contextlib.contextmanager
def _computing(found: Imported, paths: tuple[str, ...], backend: Backend) -> Iterator[Compute]:
    """The function that computes; MindSpore's noise goes to a log and its errors become messages."""
    from runtime.checkpoint.compute import computer

    with quietly(backend):
        yield computer(found.graph, found.arrays, paths, backend.value)


def _save_array(path: Path, array: Any) -> None:
    import io

    import numpy as np

    from runtime.atomic import write_atomically

    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getbuffer())
