"""The verb `train`; registered and reported on by `runtime.cli`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

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
from runtime.msrun import processes
from runtime.run.interrupt import Stopped, Watch

if TYPE_CHECKING:
    from runtime.train.plan import Plan


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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what the run would do, and end.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model; leaves checkpoints and metrics in OUT.

    On several devices: `cmt launch`.
    """
    console = console_for(as_json)
    if out is None:
        out = Path("runs") / "-".join(Path(name).stem for name in (spec, recipe) if name is not None)
    if resume and overwrite:
        raise typer.BadParameter("--resume continues a run, --overwrite replaces it: give one of them")
    named = {"train.init": init and str(init), "data.train_name": train_name, "data.val_name": val_name,
             "data.class_order": class_order}  # fmt: skip
    sets = (*(set or ()), *edits(named))

    def made() -> Plan:
        from runtime.train.plan import plan

        return plan(
            spec,
            recipe,
            data,
            out,
            sets=sets,
            overwrite=overwrite,
            resume=resume,
            workers=processes(distributed),
            tell=lambda line: say(console, line),
        )

    if dry_run:
        _show(made(), console, as_json=as_json)
        return
    try:
        with Watch() as watch:  # before NumPy or MindSpore is imported: their threads inherit what it blocks
            ready = made()
            from runtime.train.carry_out import carry_out

            summary = carry_out(ready, console, overwrite=overwrite, distributed=distributed, watch=watch)
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


def _show(plan: Plan, console: Console, *, as_json: bool) -> None:
    """What the run is going to do; nothing is written, and no framework loaded."""
    from runtime.train.describe import described, in_lines

    if as_json:
        typer.echo(json.dumps(described(plan)))
        return
    for what, how in in_lines(plan):
        say(console, f"{what:11} {how}")
    if found := described(plan)["memory_warning"]:
        say(console, found)
    say(console, "this was --dry-run: nothing was written")
