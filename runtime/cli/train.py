"""The verbs `train` and `validate`; registered and reported on by `runtime.cli`."""

from __future__ import annotations

import contextlib
import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmt_dsl import __version__
from runtime.cli.terminal import Status

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.run.interrupt import Watch

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change the model (classes=10) or the recipe (train.epochs=5). Repeatable.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; progress goes to stderr.")
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


class Weights(str, Enum):
    """Which weights of a checkpoint."""

    raw = "raw"
    ema = "ema"


def train(
    recipe: Annotated[str, typer.Option(help="Recipe: a shipped name, or a YAML file (ours or MindCV's).")],
    data: Data,
    spec: Annotated[
        str | None, typer.Argument(help="Model: a shipped name or a YAML file; default: the recipe's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory of the run; default: runs/SPEC-RECIPE.", show_default=False)
    ] = None,
    set: Sets = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that is already there.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in OUT, exactly, from its last checkpoint.")
    ] = False,
    init: Annotated[
        Path | None, typer.Option(help="Checkpoint to start from; short for --set train.init=FILE.")
    ] = None,
    distributed: Distributed = None,
    as_json: Json = False,
) -> None:
    """Train a model; leaves checkpoints and metrics in OUT. Several devices: `cmt launch`."""
    from runtime.run.interrupt import Stopped, Watch

    console = _console(as_json)
    if out is None:
        out = Path("runs") / "-".join(Path(name).stem for name in (spec, recipe) if name is not None)
    if resume and overwrite:
        raise typer.BadParameter("--resume continues a run, --overwrite replaces it: give one of them")
    sets = (*(set or ()), *(() if init is None else (f"train.init={json.dumps(str(init))}",)))
    try:
        with Watch() as watch:  # before anything starts threads
            summary = _train(spec, recipe, data, out, sets, overwrite, resume, distributed, console, watch)
    except Stopped as stop:
        where = (
            f"weights saved in {stop.checkpoint}" if stop.checkpoint else "no step was done, nothing saved"
        )
        _say(console, f"stopped: {where}")
        raise typer.Exit(stop.exit_code) from None
    if summary is None:  # another worker's to tell
        return
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _say(
            console,
            f"done in {summary['seconds']:.0f} s: top-1 {summary['top1']:.2%} on {summary['images']} images "
            f"in {summary['checkpoint']} (best epoch {summary['best_top1']:.2%}); metrics in {out}",
        )


def _train(
    spec: str | None,
    recipe: str,
    data: str,
    out: Path,
    sets: tuple[str, ...],
    overwrite: bool,
    resume: bool,
    distributed: bool | None,
    console: Console,
    watch: Watch,
) -> dict[str, Any] | None:
    from cmt_dsl import build
    from runtime.checkpoint.verify import require_fit
    from runtime.data.source import View, open_source, require_classes
    from runtime.device.environment import native_noise_to, temporary_log
    from runtime.device.world import join, processes
    from runtime.recipe.read import check_against_data, is_recipe_path, load_recipe, named_model, remarks
    from runtime.run.directory import LAST, LOG, open_run, require_free
    from runtime.training.finetune import starting_point
    from runtime.training.resume import find, reopen_run, require_same
    from runtime.training.selection import check_against_model

    point = find(out) if resume else None
    plan = load_recipe(recipe, overrides=tuple(s for s in sets if is_recipe_path(s)))
    own = tuple(s for s in sets if not is_recipe_path(s))
    spec = spec if spec is not None else named_model(plan)
    model = _model(spec, plan.model_sets(), own)
    _say(console, f"cmt train {model.name}  recipe {plan.recipe}  data {data}  out {out}")
    for line in remarks(plan, model.lineage):
        _say(console, line)
    source = open_source(data, View.of(model, plan.data.eval_crop), augment=plan.augment, group=plan.data)
    for note in source.notes:
        _say(console, note)
    if len(source.classes) != model.classes and not any(s.split("=")[0].strip() == "classes" for s in own):
        _say(console, f"classes {model.classes} → {len(source.classes)}, as the data has")
        model = _model(spec, {**plan.model_sets(), "classes": len(source.classes)}, own)
    require_classes(source, model.classes)
    graph = build(model)  # shape errors before the run directory is touched
    workers = processes(distributed)
    check_against_data(plan, source.train_size, workers)
    check_against_model(plan, graph)
    if point is None:
        for line in starting_point(plan, graph).says:
            _say(console, line)
    if point:
        require_same(point, model, graph.fingerprint, plan, source, workers)
        require_fit(out / LAST, graph, point.checkpoint.arrays)
    elif not overwrite:
        require_free(out)
    with contextlib.ExitStack() as stack:
        # all that can be wrong was looked at: whoever fails now fails before any worker waits for another
        world = join(plan.device, distributed)
        if world.first:
            reopen_run(out, point) if point else open_run(out, overwrite)
        facts = {"version": __version__, "spec": graph.fingerprint, "recipe": plan.resolved()}
        world.require_equal(
            **facts, data=[source.train_size, source.val_size, *source.classes], resume=resume
        )
        log = out / LOG if world.first else stack.enter_context(temporary_log("worker"))
        stack.enter_context(native_noise_to(log))
        from runtime.training.job import Job
        from runtime.training.loop import train as run

        summary = run(Job(model, plan, source, out, console, watch, point, world))
        return summary if world.first else None


def validate(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file of a run.")],
    data: Data,
    batch: Annotated[int | None, typer.Option(min=1, help="Images at once; default: as in training.")] = None,
    weights: Annotated[
        Weights, typer.Option(help="The weights as they were, or their moving average.")
    ] = Weights.raw,
    distributed: Distributed = None,
    as_json: Json = False,
) -> None:
    """Accuracy and loss of a checkpoint on held-out images, each counted once on however many workers."""
    from runtime.device.environment import native_errors, native_noise_to, temporary_log
    from runtime.device.world import join
    from runtime.recipe.schema import DeviceGroup
    from runtime.training.validate import restore
    from runtime.training.validate import validate as run

    restore(checkpoint)[0].weights(weights.value)  # a bad file is reported before MindSpore loads
    console = _console(as_json)
    _say(console, f"validating {checkpoint} ({weights.value} weights) on {data}")
    with temporary_log("validate") as log, native_noise_to(log), native_errors(log), Status(console) as now:
        world = join(DeviceGroup(), distributed)
        found = run(checkpoint, data, batch, weights=weights.value, world=world, tell=now.tell)
    if not world.first:
        return
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for bad in found["bad_images"]:
            _say(console, f"left out: cannot read {bad}")
        _say(
            console,
            f"top-1 {found['top1']:.2%}  top-5 {found['top5']:.2%}  loss {found['loss']:.4f}  "
            f"images {found['images']}",
        )


def _model(spec: str, sets: dict[str, Any], overrides: tuple[str, ...]) -> Any:
    """The model with the recipe's edits under the user's own."""
    from cmt_dsl import load

    typed = {path.strip(): value for path, _, value in (text.partition("=") for text in overrides)}
    merged = {
        **{k: v for k, v in sets.items() if k not in typed},
        **{k: _yaml(v, k) for k, v in typed.items()},
    }
    return load(spec, set=merged)


def _yaml(text: str, path: str) -> Any:
    from cmt_dsl.spec.edit import parse_override
    from cmt_dsl.spec.tree import plain

    return plain(parse_override(f"{path}={text}")[1])


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _console(as_json: bool) -> Console:
    from rich.console import Console

    return Console(stderr=True) if as_json else Console(file=sys.stdout)
