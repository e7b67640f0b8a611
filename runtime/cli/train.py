"""The verb `train`; registered and reported on by `runtime.cli`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmt_dsl import __version__
from runtime.cli.options import (
    ClassOrder,
    Data,
    Distributed,
    Json,
    RunSets,
    TrainName,
    ValName,
    edits,
)
from runtime.cli.terminal import console_for, say

if TYPE_CHECKING:
    from rich.console import Console

    from cmt_dsl.errors import Problem
    from runtime.recipe.schema import Recipe
    from runtime.run.interrupt import Watch


def train(
    recipe: Annotated[str, typer.Option(help="Recipe: a shipped name, or a YAML file (ours or MindCV's).")],
    data: Data,
    spec: Annotated[
        str | None,
        typer.Argument(metavar="SPEC", help="Model: a shipped name or a YAML file; default: the recipe's."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory of the run; default: runs/SPEC-RECIPE.", show_default=False)
    ] = None,
    set: RunSets = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that is already there.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in OUT, exactly, from its last checkpoint.")
    ] = False,
    train_name: TrainName = None,
    val_name: ValName = None,
    class_order: ClassOrder = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from, adapted: a file or pretrained:NAME; as --set train.init=FILE."
        ),
    ] = None,
    distributed: Distributed = None,
    as_json: Json = False,
) -> None:
    """Train a model; leaves checkpoints and metrics in OUT.

    On several devices: `cmt launch`.
    """
    from runtime.run.interrupt import Stopped, Watch

    console = console_for(as_json)
    if out is None:
        out = Path("runs") / "-".join(Path(name).stem for name in (spec, recipe) if name is not None)
    if resume and overwrite:
        raise typer.BadParameter("--resume continues a run, --overwrite replaces it: give one of them")
    named = {"train.init": init and str(init), "data.train_name": train_name, "data.val_name": val_name,
             "data.class_order": class_order}  # fmt: skip
    sets = (*(set or ()), *edits(named))
    try:
        with Watch() as watch:  # before anything starts threads
            summary = _train(spec, recipe, data, out, sets, overwrite, resume, distributed, console, watch)
    except Stopped as stop:
        where = (
            f"weights saved in {stop.checkpoint}" if stop.checkpoint else "no step was done, nothing saved"
        )
        say(console, f"stopped: {where}")
        raise typer.Exit(stop.exit_code) from None
    if summary is None:  # another worker's to tell
        return
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        say(
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
    from cmt_dsl import build, load, unread
    from runtime.checkpoint.verify import require_fit
    from runtime.data.identity import total
    from runtime.data.imbalance import remarks as remarks_on_classes
    from runtime.data.source import View, open_source, require_classes
    from runtime.data.splitting import read_split, write_split
    from runtime.device.environment import native_noise_to, temporary_log
    from runtime.device.world import join, processes
    from runtime.recipe.read import (
        check_against_data,
        decays_all,
        is_recipe_path,
        load_recipe,
        named_model,
        recipe_warnings,
    )
    from runtime.recipe.read import remarks as remarks_on
    from runtime.run.directory import LAST, LOG, open_run, require_free
    from runtime.training.finetune import starting_point
    from runtime.training.resume import find, reopen_run, require_same
    from runtime.training.selection import check_against_model

    point = find(out) if resume else None
    same: list[Problem] = []  # a run may ask for what is so already: a sweep does
    plan = load_recipe(recipe, overrides=tuple(s for s in sets if is_recipe_path(s)), restated=same)
    own = tuple(s for s in sets if not is_recipe_path(s))
    spec = spec if spec is not None else named_model(plan)
    model = _model(spec, plan.model_sets(), own, same)
    say(console, f"cmt train {model.name}  recipe {plan.recipe}  data {data}  out {out}")
    for line in remarks_on(plan, model.lineage):
        say(console, line)
    for warning in (*recipe_warnings(recipe), *unread(load(spec))):
        say(console, str(warning))
    for problem in same:
        if problem.path != "classes":  # which keeps the data from deciding
            say(console, f"note: {problem.place}: {problem.message}")
    held = read_split(out / LAST) if resume and plan.data.split is not None else None
    view = View.of(model, plan.data.eval_crop)
    source = open_source(data, view, augment=plan.augment, group=plan.data, split=held)
    for note in source.notes:
        say(console, note)
    if len(source.classes) != model.classes and not any(s.split("=")[0].strip() == "classes" for s in own):
        say(console, f"classes {model.classes} → {len(source.classes)}, as the data has")
        model = _model(spec, {**plan.model_sets(), "classes": len(source.classes)}, own, [])
    require_classes(source, model.classes)
    weights, balance = plan.loss.class_weights, plan.data.balance
    for line in remarks_on_classes(source.classes, source.train_labels, weights, balance=balance):
        say(console, line)
    graph = build(model)  # shape errors before the run directory is touched
    workers = processes(distributed)
    check_against_data(plan, source.train_size, workers)
    if dropped := source.train_size % plan.images_per_update(workers):
        say(console, f"each epoch leaves out {dropped} images, others each time: they fill no batch")
    check_against_model(plan, graph)
    decays_all(plan, model.profile_values)
    if point is None:
        if not overwrite:
            require_free(out)
        for line in starting_point(plan, graph, model).says:
            say(console, line)
    else:
        require_same(point, model, graph.fingerprint, plan, source, workers)
        require_fit(out / LAST, graph, point.checkpoint)
    with contextlib.ExitStack() as stack:
        # all that can be wrong was looked at: whoever fails now fails before any worker waits for another
        world = join(plan.device, distributed)
        _require_device(plan, out)
        if world.first:
            reopen_run(out, point) if point else open_run(out, overwrite)
            if source.split is not None:
                write_split(out, source.split)
        facts = {"version": __version__, "spec": graph.fingerprint, "recipe": plan.resolved()}
        world.require_equal(**facts, data=[*source.classes, total(source.identity)], resume=resume)
        log = out / LOG if world.first else stack.enter_context(temporary_log("worker"))
        stack.enter_context(native_noise_to(log))
        from runtime.training.job import Job
        from runtime.training.loop import train as run

        summary = run(Job(model, plan, source, out, console, watch, point, world))
        return summary if world.first else None


def _require_device(plan: Recipe, out: Path) -> None:
    """CMT-701 or CMT-804 unless the device is there and computes in the recipe's precision; nothing in `out` yet."""
    from cmt_dsl.lower.mindspore.process import prepare
    from runtime.device.environment import native_noise_to, set_device, temporary_log
    from runtime.recipe.precision import require_precision

    prepare(out)  # where MindSpore is to leave its failure dumps, once there is a run
    with temporary_log("train") as log, native_noise_to(log):
        require_precision(plan.device.amp, plan.device.amp_dtype, set_device(plan.device))


def _model(spec: str, sets: dict[str, Any], typed: tuple[str, ...], same: list[Problem]) -> Any:
    """The model with the recipe's edits under the user's own."""
    from cmt_dsl import load
    from cmt_dsl.errors import SpecError
    from runtime.recipe.paths import in_recipe

    try:
        return load(spec, set=sets, overrides=typed, restated=same)
    except SpecError as error:
        raise in_recipe(error) from None
