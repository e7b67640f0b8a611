"""The verb `cmt bench infer`: what a model takes in each backend, measured in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from runtime.atomic import write_atomically
from runtime.cli.options import file_or_name
from runtime.cli.terminal import Status, console_for, say
from runtime.deploy.bench.figures import Peak, Report, Row
from runtime.deploy.bench.infer import Stopped, asked, measure, odd
from runtime.deploy.bench.plot import picture, plotter

app = typer.Typer(name="bench", help="Measure models on this machine.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Measure models on this machine."""


@app.command()
def infer(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC|CKPT...",
            parser=file_or_name,
            help="Models: shipped names or YAML files, with arbitrary weights; checkpoints; pretrained:NAME.",
        ),
    ],
    backend: Annotated[
        str, typer.Option(metavar="B[,B]", help="What computes: names between commas, such as numpy.")
    ] = "onnxruntime,openvino",
    batch: Annotated[str, typer.Option(metavar="N[,N]", help="Images at once.")] = "1,8,32",
    precision: Annotated[
        str, typer.Option(metavar="P[,P]", help="What products are computed in: float32, float16, bfloat16.")
    ] = "float32",
    threads: Annotated[
        int | None, typer.Option(help="Processors for each child. Default: all that this process may use.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each takes its turn.")] = 5,
    seconds: Annotated[float, typer.Option(help="Of computing for each figure, over all rounds.")] = 5.0,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Rows and columns of the images. Default: the model's.")
    ] = None,
    optimise: Annotated[
        bool, typer.Option("--optimise/--no-optimise", help="Fold the model first, as `cmt optimise` tells.")
    ] = True,
    peak: Annotated[
        bool,
        typer.Option("--peak/--no-peak", help="Also measure matrix products, and the share of their rate."),
    ] = True,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures and facts here too.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw images/s: a .png or .svg file.")
    ] = None,
) -> None:
    """Measure inference: times, images/s, memory, and the share of the machine's peak.

    Each figure has a process of its own; they compute in turn, one at a time, so that a disturbance meets all of them.
    Times begin with an array and end with logits.
    """
    what = asked(
        models,
        backends=backend,
        batches=batch,
        precisions=precision,
        threads=threads,
        rounds=rounds,
        seconds=seconds,
        size=size,
        optimise=optimise,
        peak=peak,
    )
    drawing = plotter(plot) if plot else None
    for file in (json, plot):
        if file is not None and not file.parent.is_dir():
            raise odd(f"{file}: there is no folder {file.parent}", "make it, or choose another place")
    progress, console = console_for(True), console_for(False)
    stopped = False
    try:
        with Status(progress) as now:
            made = measure(what, now.tell)
    except Stopped as early:
        made, stopped = early.report, True
    for text in _lines(made):
        say(console, text)
    for rows in _groups(made):
        console.print(_table(rows), highlight=False)
    for text in [*_peak_lines(made.peaks), *made.notes]:
        say(console, text)
    if json is not None:
        write_atomically(json, (made.model_dump_json(indent=2) + "\n").encode())
    if plot is not None and drawing is not None and made.rows:
        write_atomically(plot, picture(made, *drawing))
    if stopped:
        say(
            console,
            "stopped: this is what was measured before" if made.rows else "stopped: nothing was measured",
        )
        raise typer.Exit(130)


def _lines(made: Report) -> list[str]:
    what, where = made.asked, made.machine
    kind = "optimised" if what.optimise else "as specified"
    flags = f" ({', '.join(where.flags)})" if where.flags else ""
    told = [
        f"{where.processor}{flags}",
        f"{what.threads} of {where.cores} processors, {what.rounds} rounds, {kind}",
    ]
    if where.environment:
        set_ = ", ".join(f"{name}={value}" for name, value in where.environment.items())
        told.append(f"the environment may slow libraries down: {set_}")
    return told


def _groups(made: Report) -> list[list[Row]]:
    keys = dict.fromkeys((row.model, row.batch) for row in made.rows)
    return [[row for row in made.rows if (row.model, row.batch) == key] for key in keys]


def _table(rows: list[Row]) -> Any:
    first = rows[0]
    macs = f"{first.gmacs:.2f} GMACs" if first.gmacs >= 0.1 else f"{1e3 * first.gmacs:.3g} MMACs"
    title = f"{first.model}, batch {first.batch}, {macs} an image"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("backend", overflow="fold")
    table.add_column("products", no_wrap=True)
    for name in ("ms", "p95", "±%", "img/s", "start s", "MiB", "GFLOP/s", "% peak"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.backend,
            row.precision,
            _short(1e3 * row.median_s),
            _short(1e3 * row.p95_s),
            f"{100 * row.spread:.0f}",
            _short(row.images_per_s),
            f"{row.load_s + row.first_s:.1f}",
            f"{row.memory_bytes / 2**20:.0f}",
            _short(row.gflops),
            f"{100 * row.peak_share:.0f}" if row.peak_share is not None else "–",
        )
    return table


def _short(value: float) -> str:
    """Four digits, and no exponent."""
    digits = next((n for n, least in enumerate((1000, 100, 10, 1)) if value >= least), 4)
    return f"{value:.{digits}f}"


def _peak_lines(peaks: tuple[Peak, ...]) -> list[str]:
    """One for each precision; its rate differs between batches as the machine did."""
    told: list[str] = []
    for precision in dict.fromkeys(peak.precision for peak in peaks):
        same = [peak for peak in peaks if peak.precision == precision]
        rates = " / ".join(f"{peak.gflops:.0f}" for peak in same)
        by = ", ".join(dict.fromkeys(f"{peak.library} {peak.size}³" for peak in same))
        beside = "beside batch " + " / ".join(str(peak.batch) for peak in same)
        told.append(f"matmul peak in {precision}: {rates} GFLOP/s {beside}, by {by}")
    return told
