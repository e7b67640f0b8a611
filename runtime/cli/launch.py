"""The verb `launch`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from runtime.jobs.command import plan
from runtime.jobs.launcher import Launcher


def launch(
    words: Annotated[
        list[str], typer.Argument(metavar="-- VERB …", help="train or validate, and its arguments.")
    ],
    workers: Annotated[int, typer.Option(min=1, help="Processes in all, one per device.")],
    local_workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this node; default: all of them.")
    ] = None,
    node: Annotated[int, typer.Option(min=0, help="Number of this node, from 0.")] = 0,
    master: Annotated[str, typer.Option(help="Address of node 0.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default on one node: a free one.")
    ] = None,
    bind_core: Annotated[
        bool, typer.Option("--bind-core", help="Bind each process to cores of its own.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds without progress after which a worker counts as hung.")
    ] = 30.0,
    log_dir: Annotated[Path | None, typer.Option(help="Default: OUT/workers/TIME.")] = None,
) -> None:
    """Run `train` or `validate` by several workers, with msrun.

    As in: cmt launch --workers 8 -- train cmt_s … The first worker's progress is shown. Ctrl-C and SIGTERM stop all workers together, with a checkpoint. If a
    worker dies or hangs, the others are stopped and the end of its log is printed.
    """
    job = plan(
        words,
        workers,
        local=local_workers,
        node=node,
        master=master,
        port=port,
        bind_core=bind_core,
        logs=log_dir,
    )
    code = Launcher(job, _show, patience).run()
    if code:
        raise typer.Exit(code)


def _show(line: str) -> None:
    # as it was printed: the worker has wrapped nothing
    os.write(1, line.encode() + b"\n")
