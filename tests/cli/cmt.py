"""The command `cmt`, as a user starts it: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from runtime import cli
from tests.tiny import ROOT


@dataclass(frozen=True)
class Done:
    """What a user sees of a run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.out)


def cmt(*args: object, cwd: Path = ROOT, columns: int = 80) -> Done:
    """Run `cmt args` by its `main`, in this process."""
    out, err, old = io.StringIO(), io.StringIO(), Path.cwd()
    env = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    code = 0
    os.chdir(cwd)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.dict(os.environ, env),
            mock.patch.object(sys, "argv", ["cmt", *map(str, args)]),
        ):
            cli.main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    finally:
        os.chdir(old)
    return Done(code, out.getvalue(), err.getvalue())


def process(*args: object, cwd: Path = ROOT, pipe: str = "") -> Done:
    """Run `cmt args` in a process of its own; `pipe` is what its output goes into."""
    command = [sys.executable, "-m", "runtime.cli", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1"}
    if pipe:
        command = ["bash", "-o", "pipefail", "-c", f"{shlex.join(command)} | {pipe}"]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
    return Done(done.returncode, done.stdout, done.stderr)
