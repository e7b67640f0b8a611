"""What `cmt diff` and `cmt compare` print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cmt_dsl.cost import Tally
from cmt_dsl.diff import Difference, Part
from cmt_dsl.diff.folded import folded, folded_paths
from cmt_dsl.draw.family import Member
from cmt_dsl.draw.units import plain, shape, short

LINES = 40
"""Changed attributes that are printed; `--json` has all."""


def print_difference(console: Console, d: Difference) -> None:
    """The difference as text: spec values, parts, nodes."""
    fits = "one graph: a checkpoint of one fits the other" if d.same_graph else "the graphs differ"
    if d.empty:
        console.print(Text(f"{d.names[0]} and {d.names[1]}: no difference"))
        return
    console.print(Text(f"{d.names[0]} → {d.names[1]}: {fits}", style="bold"))
    if d.spec:
        console.print(_section("spec"))
        for change in d.spec:
            path = ".".join(word for word in (change.path, change.attribute) if word)
            console.print(_change(path, change.a, change.b))
    console.print(_section("parts"))
    console.print(_parts(d.parts))
    listed = [
        *((f"+ {path}", "green") for path in folded_paths(d.added)),
        *((f"- {path}", "red") for path in folded_paths(d.removed)),
        *((f"{a} → {b}", "blue") for a, b in d.renamed),
    ]
    if listed:
        console.print(_section("nodes"))
        for line, style in listed:
            console.print(Text(f"  {plain(line)}", style=style))
    changed = folded(d.changed)
    if changed:
        console.print(_section("operators"))
        for path, attribute, a, b in changed[:LINES]:
            console.print(_change(f"{path}.{attribute}", a, b))
        if len(changed) > LINES:
            console.print(Text(f"  and {len(changed) - LINES} more: --json has them all", style="dim"))


def print_family(console: Console, members: Sequence[Member]) -> None:
    """A table of models."""
    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    table.add_column("profile", overflow="fold")
    for name in ("input", "params", "MACs", "top-1 *"):
        table.add_column(name, justify="right", no_wrap=True)
    for m in members:
        size = "×".join(map(str, m.input))
        top1 = f"{m.published.top1:g} %" if m.published else ""
        figures = (f"{m.tally.trainable:,}", f"{m.tally.macs:,}", top1)
        table.add_row(Text(plain(m.name)), Text(plain(m.profile)), size, *figures)
    console.print(table)
    for source in dict.fromkeys(_source(m) for m in members if m.published):
        console.print(Text(f"* {source}", style="dim"))


def _source(m: Member) -> str:
    assert m.published is not None
    note = f" ({m.name}: {m.published.note})" if m.published.note else ""
    return f"ImageNet-1K, as published: {m.published.source}{note}"


def _section(title: str) -> Any:
    return Text(title, style="bold")


def _change(path: str, a: Any, b: Any) -> Any:
    text = Text(f"  {plain(path)}: ")
    return text.append(_value(a), style="red").append(" → ").append(_value(b), style="green")


def _parts(parts: Sequence[Part]) -> Any:
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("output", "depth", "params", "Δ", "MACs", "Δ"):
        table.add_column(name, justify="right", overflow="fold")
    for part in parts:
        table.add_row(Text(plain(part.path)), *_figures(part))
    return table


def _figures(part: Part) -> Iterator[str]:
    yield _both(*(shape(t.shape) if t else None for t in part.output))
    yield _both(*(str(n) if n is not None else None for n in part.depth))
    for figure in ("trainable", "macs"):
        of: Tally | None = part.tally[1] or part.tally[0]
        delta = part.delta(figure)
        yield short(getattr(of, figure)) if of else ""
        yield f"{'+' if delta > 0 else '−'}{short(abs(delta))}" if delta else ""


def _both(a: str | None, b: str | None) -> str:
    return (a or b or "") if a == b or a is None or b is None else f"{a} → {b}"


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return plain(text if len(text) <= 60 else text[:59] + "…")
