"""A scene for the terminal: a tree of boxes beside columns of figures, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cmt_dsl.draw.scene import Box, Cluster, Scene
from cmt_dsl.draw.units import brief, marks, percent, plain, shape, short

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def tree(scene: Scene) -> Table:
    """What Rich prints: one line for each box and cluster, cut where the terminal ends.

    `⤷ a` marks a residual that comes from `a`, `← p` the reader of the shared parameter `p`.
    """
    from rich.table import Table
    from rich.text import Text

    total = scene.total
    rows = [
        (Text(guides, style="dim", no_wrap=True, overflow="ellipsis") + _name(scene, thing), *_figures(thing))
        for guides, thing in _lines(scene, "", "")
    ]
    rows.append(
        (Text("whole model" if scene.path else "total"), "", short(total.trainable), short(total.macs), "")
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(plain(f"{scene.model} {scene.path}".strip()), no_wrap=True, overflow="ellipsis"))
    for i, name in enumerate(("output", "params", "MACs", "%"), start=1):  # only the tree may be cut
        width = max(len(name), *(len(row[i]) for row in rows))
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*row)
    return table


def _figures(thing: Box | Cluster) -> tuple[str, str, str, str]:
    f = thing.figures
    return (
        shape(thing.output),
        short(f.trainable) if f.trainable else "",
        short(f.macs) if f.macs else "",
        percent(f.share).removesuffix(" %") if f.macs else "",
    )


def _lines(scene: Scene, cluster: str, guides: str) -> Iterator[tuple[str, Box | Cluster]]:
    inside = scene.inside(cluster)
    for i, thing in enumerate(inside):
        last = i == len(inside) - 1
        yield guides + ("└─ " if last else "├─ "), thing
        if isinstance(thing, Cluster):
            yield from _lines(scene, thing.path, guides + ("   " if last else "│  "))


def _name(scene: Scene, thing: Box | Cluster) -> Text:
    from rich.text import Text

    text = Text(plain(thing.title), style="bold")
    if brief(thing):
        text.append(f" {plain(brief(thing))}", style="not bold")
    if marks(thing):
        text.append(f" {marks(thing)}", style="not bold magenta")
    for edge in scene.edges:
        if edge.target == thing.path and edge.kind != "flow":
            sign, style = ("⤷", "yellow") if edge.kind == "residual" else ("←", "magenta")
            text.append(f" {sign} {_short(scene, edge.source, thing)}", style=f"not bold {style}")
    return text


def _short(scene: Scene, source: str, reader: Box | Cluster) -> str:
    """The source's title where it lies beside the reader, else what its cluster is called too."""
    thing = scene.by_path[source]
    prefix = f"{reader.cluster}." if reader.cluster else ""
    return plain(source.removeprefix(prefix) if source.startswith(prefix) else thing.title)
