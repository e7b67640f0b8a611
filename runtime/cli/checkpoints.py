"""The verbs that read checkpoints and need no framework: inspect, verify, diff, average."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cmt_dsl import build, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import WeightLevel
from runtime.checkpoint.change.average import average_checkpoints
from runtime.checkpoint.container import read_header
from runtime.checkpoint.file import KIND, is_own, load_arrays, load_checkpoint, save_checkpoint
from runtime.checkpoint.statistics import statistics, total
from runtime.checkpoint.verify import verify as run
from runtime.cli.checkpoint_text import differences, fact, say, statistics_table, tensors
from runtime.cli.options import Checkpoint, Json, Overwrite, Sets, Weights, require_free, weights_of


def inspect(
    checkpoint: Checkpoint,
    level: Annotated[WeightLevel, typer.Option(help="One line a stage, block or parameter.")] = "stage",
    print_spec: Annotated[
        bool, typer.Option("--print-spec", help="Print the spec it carries, and nothing else.")
    ] = False,
    weights: Weights = "raw",
    as_json: Json = False,
) -> None:
    """Show what a checkpoint holds, and what its numbers look like."""
    header = read_header(checkpoint)
    own = is_own(header)
    if print_spec:
        typer.echo(load_checkpoint(checkpoint).spec_text, nl=False)
        return
    if not own or header.metadata.get("kind") != KIND:
        if own:
            load_arrays(checkpoint)  # its checksum
        tensors(checkpoint, header, own, as_json)
        return
    loaded = load_checkpoint(checkpoint)
    facts = _facts(checkpoint, loaded)
    arrays = loaded.weights(weights)
    rows, whole = statistics(arrays, level), total(arrays)
    if as_json:
        told = {**facts, "of": weights, "parts": [_row_json(r, arrays) for r in rows], "total": whole.json()}
        typer.echo(json.dumps(told))
        return
    words = {True: "yes, from its spec", False: "NO: this version builds another graph from its spec"}
    for name, value in {**facts, "rebuilt": words[facts["rebuilt"]]}.items():
        if name not in ("file", "kind"):
            fact(name, value)
    if loaded.ema is not None:
        say(f"{weights} weights")
    statistics_table([*rows, whole])
    for name, held in loaded.sets.items():
        found = whole if name == weights else total(held)
        if found.complaints:
            say(f"attention: {found.complaints}" + (f" in the {name} weights" if loaded.ema else ""))


def _row_json(row: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    value = arrays.get(row.part)
    extra = {} if value is None else {"shape": list(value.shape), "dtype": str(value.dtype)}
    return {**row.json(), **extra}


def _facts(path: Path, checkpoint: Any) -> dict[str, Any]:
    """What the header says, and whether this version still builds the same graph from its spec."""
    facts: dict[str, Any] = {"file": str(path), "kind": "checkpoint"}
    try:
        model = load_text(checkpoint.spec_text, "<checkpoint>")
        image = model.input
        facts["model"] = model.name
        facts["input"] = [image.channels, image.height, image.width]
        facts["profile"] = model.profile.profile
        fits = build(model).fingerprint == checkpoint.fingerprint
    except CmtError as error:
        facts["model"] = f"its spec is not read by this version: {error.problems[0].message}"
        fits = False
    return {
        **facts,
        "fingerprint": checkpoint.fingerprint,
        "rebuilt": fits,
        "classes": list(checkpoint.classes),
        "recipe": checkpoint.recipe.get("recipe"),
        "data": checkpoint.source,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "metrics": checkpoint.metrics,
        "weights": list(checkpoint.sets),
        "versions": checkpoint.versions,
        **({"origin": checkpoint.origin} if checkpoint.origin else {}),
    }


def verify(
    checkpoint: Checkpoint,
    spec: Annotated[
        str | None, typer.Option(help="Check against this model instead of the checkpoint's own spec.")
    ] = None,
    set: Sets = None,
    as_json: Json = False,
) -> None:
    """Check every weight of a checkpoint against the spec.

    Exit code 1 on any difference.
    """
    found = run(checkpoint, spec, tuple(set or ()))
    if as_json:
        told = {
            "ok": found.good,
            "checkpoint": str(checkpoint),
            "model": found.model,
            "fingerprint": found.fingerprint,
            "tensors": found.tensors,
            "weights": list(found.sets),
            "groups": [group.json() for group in found.groups],
            "causes": [cause.json() for cause in found.causes],
        }
        typer.echo(json.dumps(told))
    elif found.good:
        both = " (raw and ema)" if "ema" in found.sets else ""
        say(f"{checkpoint}: good: checksum, {found.tensors} tensors{both} fit {found.model}, all finite")
    else:
        differences(checkpoint, found)
    raise typer.Exit(0 if found.good else 1)


def average(
    checkpoints: Annotated[
        list[Path], typer.Argument(metavar="CKPT…", parser=weights_of, help="Two checkpoints or more.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new checkpoint.")],
    weights: Annotated[
        str | None, typer.Option(metavar="1,1,…", help="The share of each. Default: all alike.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Average several checkpoints of one model.

    The new one says what it was made from. Moving averages are averaged too, if all have them.
    """
    try:
        shares = None if weights is None else [float(text) for text in weights.split(",")]
    except ValueError:
        raise typer.BadParameter(f"'{weights}' is not a list of numbers such as 1,1,2") from None
    require_free(out, overwrite, *checkpoints)
    made = average_checkpoints(checkpoints, shares)
    save_checkpoint(out, made)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "checkpoint": str(out),
                    "fingerprint": made.fingerprint,
                    "weights": list(made.sets),
                    **made.origin,
                }
            )
        )
        return
    say(
        f"{out}: the mean of {len(checkpoints)} checkpoints, {len(made.arrays)} tensors"
        + ("" if made.ema is None else " and their moving averages")
    )
    if "note" in made.origin:
        say(f"note: {made.origin['note']}")
