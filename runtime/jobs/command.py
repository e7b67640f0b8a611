"""The msrun command of a job, and where its output goes."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cmt_dsl.errors import CmtError
from runtime.jobs.pulse import VARIABLE

VERBS = ("train", "validate")
"""What can be done by several workers."""


@dataclass(frozen=True)
class Plan:
    """`workers` in all, `local` of them on this node, which is number `node`; `words` is the verb and its arguments."""

    words: tuple[str, ...]
    workers: int
    local: int
    node: int
    master: str
    port: int
    bind_core: bool
    logs: Path

    @property
    def ranks(self) -> range:
        return range(self.node * self.local, (self.node + 1) * self.local)

    @property
    def pulse(self) -> Path:
        return self.logs / "pulse"

    def log(self, rank: int) -> Path:
        return self.logs / f"worker_{rank}.log"

    def command(self) -> list[str]:
        """Words that start msrun."""
        msrun = [sys.executable, "-m", "mindspore.parallel.cluster.run"]
        options = {
            "worker_num": self.workers,
            "local_worker_num": self.local,
            "node_rank": self.node,
            "master_addr": self.master,
            "master_port": self.port,
            "log_dir": self.logs,
            "join": True,
            "tail_worker_log": max(self.ranks) + 1,  # of no worker: the launcher shows the log itself
        }
        if self.bind_core:
            options["bind_core"] = True
        flags = [f"--{name}={value}" for name, value in options.items()]
        return [*msrun, *flags, "python", "-u", "-m", "runtime.cli", *self.words]

    def environment(self) -> dict[str, str]:
        """msrun starts `python`: it must be this one."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {**os.environ, "PATH": path, VARIABLE: str(self.pulse), "PYTHONUNBUFFERED": "1"}


def plan(
    words: list[str],
    workers: int,
    *,
    local: int | None = None,
    node: int = 0,
    master: str = "127.0.0.1",
    port: int | None = None,
    bind_core: bool = False,
    logs: Path | None = None,
) -> Plan:
    """A job with everything filled in; CMT-723 for what cannot be."""
    if not words or words[0] not in VERBS:
        given = f"'{words[0]}'" if words else "nothing"
        raise CmtError(
            "CMT-723",
            f"cmt launch runs {' or '.join(VERBS)}, not {given}",
            hint="cmt launch --workers 2 -- train cmt_nano --recipe digits --data digits --out runs/two",
        )
    if "--no-distributed" in words:
        raise CmtError(
            "CMT-723",
            "workers that do not work together: --no-distributed under cmt launch",
            hint="leave it out",
        )
    here = workers if local is None else local
    if workers % here or not 0 <= node < workers // here:
        raise CmtError(
            "CMT-723",
            f"{workers} workers, {here} on each node: there is no node {node}",
            hint="--workers counts all nodes and must be a multiple of --local-workers; nodes count from 0",
        )
    if here < workers and (port is None or master == "127.0.0.1"):
        raise CmtError(
            "CMT-723",
            "several nodes need to know --master and --port",
            hint="the same on every node, of node 0",
        )
    return Plan(
        tuple(words),
        workers,
        here,
        node,
        master,
        port if port is not None else _free_port(),
        bind_core,
        logs if logs is not None else _logs(words),
    )


def _logs(words: list[str]) -> Path:
    """Beside the run that `--out` names, one directory for each start; else a temporary one."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for at, word in enumerate(words):
        if word == "--out" and at + 1 < len(words):
            return Path(words[at + 1]) / "workers" / stamp
        if word.startswith("--out="):
            return Path(word.removeprefix("--out=")) / "workers" / stamp
    return Path(tempfile.mkdtemp(prefix="cmt-launch-"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
