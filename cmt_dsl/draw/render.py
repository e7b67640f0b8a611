"""DOT to SVG or PNG by Graphviz: `dot` where it is on the PATH, else the package graphviz-pure."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from cmt_dsl.errors import CmtError

Picture = Literal["svg", "png"]
Format = Literal["svg", "png", "json0"]
"""What Graphviz is asked for; `json0` is a layout alone."""
NAMES: dict[Format, str] = {"svg": "an SVG", "png": "a PNG", "json0": "a page"}
SECONDS = 60
"""Longest time a layout may take."""
FAMILY = "Helvetica, Arial, sans-serif"
"""Fonts of an SVG, where Graphviz writes the one it measured with."""


class Engine(NamedTuple):
    """A Graphviz that is installed."""

    name: Literal["dot", "graphviz-pure"]
    command: str


def engines() -> list[Engine]:
    """Every Graphviz of this machine, the one to use first."""
    found: list[Engine] = []
    dot = shutil.which("dot")
    if dot:
        found.append(Engine("dot", dot))
    beside = Path(sys.executable).parent / "graphviz-pure"  # an environment that is not activated
    pure = shutil.which("graphviz-pure") or shutil.which(str(beside))
    if pure:
        found.append(Engine("graphviz-pure", pure))
    return found


def render(text: str, picture: Format, engine: Engine | None = None) -> bytes:
    """The drawing of a DOT text as SVG or PNG, or its layout; raises CMT-411 and CMT-412."""
    if engine is None:
        found = engines()
        if not found:
            hint = "install Graphviz (apt install graphviz), or pip install 'cmt-dsl[viz]'"
            raise CmtError("CMT-411", f"no Graphviz to draw {NAMES[picture]} with", hint=hint)
        engine = found[0]
    command = [engine.command, f"-T{picture}", *(["-Gdpi=144"] if picture == "png" else [])]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CmtError(
            "CMT-412", f"{engine.name} took more than {SECONDS} s", hint="draw a coarser level, or a --path"
        ) from error
    if done.returncode or not done.stdout:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it wrote nothing"]
        raise CmtError("CMT-412", f"{engine.name} failed: {words[-1]}", hint="--format dot writes its input")
    return _readable(done.stdout.decode()).encode() if picture == "svg" else done.stdout


def _readable(svg: str) -> str:
    """The SVG with fonts that any machine has."""
    return re.sub(r'font-family="Helvetica[^"]*"', f'font-family="{FAMILY}"', svg)
