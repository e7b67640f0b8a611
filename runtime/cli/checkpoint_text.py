"""What the verbs on checkpoints print: facts, tables, differences."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from runtime.checkpoint.compare import Comparison, Distance
from runtime.checkpoint.container import Header
from runtime.checkpoint.statistics import Statistics
from runtime.checkpoint.verify import WORDS, Verdict


def statistics_table(rows: list[Statistics]) -> None:
    """A line a part, and below it what is wrong there."""
    table = _table("part", "tensors", "weights", "norm", "mean", "std", "max |w|", right=True)
    for row in rows:
        numbers = (f"{v:.3g}" for v in (row.norm, row.mean, row.std, row.largest))
        table.add_row(printable(row.part), str(row.tensors), f"{row.params:,}", *numbers)
        if row.complaints and row.part != "total":
            table.add_row(f"  ! {row.complaints}")
    _print(table)


def tensors(path: Path, header: Header, own: bool, as_json: bool) -> None:
    """Names, types and shapes, of a file that is no checkpoint."""
    kind = (
        header.metadata.get("kind", "safetensors") if own else "safetensors, not a checkpoint of this project"
    )
    if as_json:
        listed = {name: {"dtype": e.dtype, "shape": list(e.shape)} for name, e in header.entries.items()}
        told = {"file": str(path), "kind": kind, "metadata": header.metadata, "tensors": listed}
        typer.echo(json.dumps(told))
        return
    size = sum(entry.end - entry.start for entry in header.entries.values())
    say(f"{path}: {kind}; {len(header.entries)} tensors, {size / 2**20:.1f} MiB")
    for key, value in header.metadata.items():
        if key != "sha256":
            fact(key[:30], value)
    table = _table("tensor", "type", "shape")
    for name, entry in header.entries.items():
        table.add_row(printable(name), entry.dtype, str(list(entry.shape)))
    _print(table)


def differences(checkpoint: Path, found: Verdict) -> None:
    """A block and its place, three of its differences; then the causes."""
    for group in found.groups:
        say(f"{group.place}: {group.block or 'model'}: {group.summary}")
        for difference in group.differences[:3]:
            say(f"  {f'{difference.name}: ' if difference.name else ''}{difference.message}")
        if len(group.differences) > 3:
            say(f"  … {len(group.differences) - 3} more")
    for cause in found.causes[:8]:
        say(f"cause: {cause}" + (f" ({cause.place})" if cause.place else ""))
        if cause.hint:
            say(f"  hint: {cause.hint}")
    kinds = sum((Counter(group.counts) for group in found.groups), Counter())
    told = ", ".join(f"{count} {WORDS[kind]}" for kind, count in kinds.items())
    say(f"{checkpoint}: does not fit {found.model}: {told} [CMT-604]")


def comparison(found: Comparison) -> None:
    """The facts that differ, then distances by part."""
    for path, (x, y) in found.facts.items():
        say(f"{path}: {shown(x)} → {shown(y)}")
    for name, distances in (("raw", found.raw), ("averaged", found.ema)):
        if distances is None:
            continue
        if found.ema is not None:
            say(f"{name} weights")
        table = _table("part", "tensors", "equal", "‖A−B‖/‖A‖", "max |A−B|", right=True)
        for part in [*distances.parts, distances.total]:
            numbers = ("—" if v is None else f"{v:.3g}" for v in (part.relative, part.largest))
            table.add_row(printable(part.part), str(part.tensors), str(part.equal), *numbers)
            if part.part != "total" and (apart := _apart(part)):
                table.add_row(f"  ! {apart}")
        _print(table)
    say("equal" if found.equal else "different")


def _apart(part: Distance) -> str:
    words = {"only in A": part.only_a, "only in B": part.only_b, "of another shape": part.other_shape}
    return ", ".join(f"{len(names)} {word}" for word, names in words.items() if names)


def fact(name: str, value: Any) -> None:
    """A field of a header, wrapped to the terminal."""
    width = max(shutil.get_terminal_size().columns, 40)
    for line in textwrap.wrap(printable(f"{name:<12} {shown(value)}"), width, subsequent_indent=" " * 13):
        say(line)


def shown(value: Any) -> str:
    """A fact of a header as text."""
    if isinstance(value, dict):
        return "  ".join(f"{k} {shown(v)}" for k, v in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and len(value) > 200:
        return f"{value[:200]}…"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(shown(item) for item in value)
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value)}: {', '.join(map(str, value[:6]))}, … {value[-1]}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(*columns: str, right: bool = False) -> Any:
    """A plain table; with `right`, all columns but the first are numbers."""
    table = Table(box=None, pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def _print(table: Any) -> None:
    console = Console(highlight=False, markup=False)
    with console.capture() as text:
        console.print(table)
    typer.echo(text.get(), nl=False)  # Rich ends the process itself where the reader of a pipe has gone


def say(text: str) -> None:
    """A line on stdout; what a file has in it cannot steer the terminal."""
    typer.echo(printable(text))


def printable(text: str) -> str:
    """The text with control characters spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
