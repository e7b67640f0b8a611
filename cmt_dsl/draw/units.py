"""How figures and shapes are written in drawings: one spelling for all formats."""

from __future__ import annotations

from collections.abc import Sequence

from cmt_dsl.draw.scene import Box, Cluster, Figures
from cmt_dsl.ir import spelled

UNSAID = {"out", "eps", "momentum", "form", "by", "padding"}
"""Attributes that a box leaves to its shape or its tooltip."""


def short(number: int) -> str:
    """A count to three digits: `1.23 M`; below a thousand exactly."""
    if number < 1000:
        return str(number)
    units = ("K", "M", "G", "T")
    power = next((i for i in range(1, len(units)) if number < 999.5 * 1000**i), len(units))
    value = number / 1000**power
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {units[power - 1]}"


def plain(text: str) -> str:
    """Text in which every sign prints and none moves the cursor, breaks a line or ends an XML file."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def percent(share: float) -> str:
    """A share of the whole: `12.3 %`."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def shape(output: Sequence[int | None]) -> str:
    """A shape without the batch: `304×16×16`."""
    return "×".join(str(size) for size in output if size is not None) or "1"


def cost_line(figures: Figures) -> str:
    """Parameters and MACs with their share, as far as there are any: `1.2 M · 34 M MACs 3.1 %`."""
    words: list[str] = []
    if figures.trainable:
        words.append(f"{short(figures.trainable)} params")
    if figures.macs:
        words.append(f"{short(figures.macs)} MACs")
        words.append(percent(figures.share))
    return " · ".join(words)


def exact(thing: Box | Cluster) -> str:
    """All figures of a thing in full, for tooltips."""
    f = thing.figures
    path = thing.path if thing.count == 1 else f"{thing.path} and {thing.count - 1} more"
    lines = [
        f"{path}: {thing.what}",
        f"output {shape(thing.output)}",
        f"{f.trainable:,} parameters ({percent(f.params_share)}), {f.statistics:,} statistics",
        f"{f.macs:,} MACs ({percent(f.share)})",
        f"{f.activations:,} bytes of activations",
    ]
    if isinstance(thing, Box) and thing.attributes:
        lines.append(", ".join(f"{key}={spelled(value)}" for key, value in thing.attributes))
    if isinstance(thing, Box) and thing.place is not None:
        lines.append(str(thing.place))
    return "\n".join(lines)


def marks(thing: Box | Cluster) -> str:
    """×N, `training only` and `shared by N`, as far as they apply."""
    words = [f"×{thing.count}"] if thing.count > 1 else []
    if isinstance(thing, Box):
        words += ["training only"] if thing.training_only else []
        words += [f"shared by {thing.shared_by}"] if thing.shared_by else []
    return " · ".join(words)


def brief(thing: Box | Cluster) -> str:
    """What a thing is besides its title: `conv2d kernel=3 groups=76`; nothing where the title says it."""
    words = thing.brief if isinstance(thing, Box) else ()
    said = " ".join([thing.what, *(f"{key}={spelled(value)}" for key, value in words if key not in UNSAID)])
    return "" if said == thing.title or thing.family == "stage" else said
