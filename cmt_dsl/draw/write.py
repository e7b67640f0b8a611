"""A scene as the bytes of a file, by the name of the format."""

from __future__ import annotations

from typing import get_args

from rich.console import Console

from cmt_dsl.draw.dot import dot
from cmt_dsl.draw.mermaid import MOST_EDGES, MOST_SIGNS, mermaid
from cmt_dsl.draw.render import Engine, Picture, render
from cmt_dsl.draw.scene import Scene
from cmt_dsl.draw.tree import tree
from cmt_dsl.errors import CmtError

FORMATS = ("txt", "mermaid", "dot", *get_args(Picture))
COLUMNS = 80
"""Width of a text that is written to a file."""


def write(scene: Scene, format_: str, engine: Engine | None = None) -> tuple[bytes, tuple[str, ...]]:
    """The drawing in a format, and notes for who asked for it; raises CMT-411, CMT-412 and CMT-413."""
    if format_ == "txt":
        return text(scene).encode(), ()
    if format_ == "mermaid":
        words = mermaid(scene)
        large = len(words) > MOST_SIGNS or len(scene.edges) > MOST_EDGES
        note = f"GitHub draws up to {MOST_SIGNS:,} signs and {MOST_EDGES} edges: take a coarser level or a --path"
        return words.encode(), (note,) if large else ()

    if format_ == "dot":
        return dot(scene).encode(), ()
    if format_ == "svg" or format_ == "png":
        return render(dot(scene), format_, engine), ()
    raise CmtError("CMT-413", f"no format '{format_}'", hint="known: " + ", ".join(FORMATS))


def text(scene: Scene, columns: int = COLUMNS) -> str:
    """The tree as plain text, so many columns wide at most."""
    import io

    file = io.StringIO()
    Console(file=file, width=columns, color_system=None, legacy_windows=False).print(tree(scene))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
