"""Positions by Graphviz: the inside of every cluster is laid out once, all of them in one process.

A cluster's inside is drawn with each child as a box of one size. When the page opens a child in place, it
stretches the plane around it: the order that Graphviz found stays, and nothing can overlap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cmt_dsl.errors import CmtError

_DOT = 'graph [nodesep=0.3 ranksep=0.45]; node [shape=box fixedsize=true label=""]; edge [headport=n tailport=s];'


@dataclass(frozen=True)
class Diagram:
    """Boxes (width, height) and edges (from, to, weight) between them by number, in pixels.

    Heavy edges are drawn straight, light ones go around them.
    """

    boxes: tuple[tuple[int, int], ...]
    edges: tuple[tuple[int, int, int], ...]

    def dot(self) -> str:
        """The diagram in Graphviz's language; names are numbers, so nothing needs escaping."""
        boxes = [f"{i} [width={w / 72:.4f} height={h / 72:.4f}]" for i, (w, h) in enumerate(self.boxes)]
        edges = [f"{a} -> {b} [weight={w}]" for a, b, w in self.edges]
        return "digraph {" + _DOT + ";".join([*boxes, *edges]) + "}\n"


@dataclass(frozen=True)
class Placed:
    """A diagram's size, its boxes' centres and its edges' Bézier control points (x, y, x, y, …), y downwards."""

    width: float
    height: float
    centres: tuple[tuple[float, float], ...]
    curves: tuple[tuple[float, ...], ...]


def lay_out(diagrams: Sequence[Diagram], render: Callable[[str], str]) -> list[Placed]:
    """Each diagram's positions; `render` turns DOT text into Graphviz's `-Tjson0`. Raises CMT-430."""
    text = render("".join(diagram.dot() for diagram in diagrams))
    reader, at = json.JSONDecoder(), 0
    found: list[Placed] = []
    try:
        for diagram in diagrams:
            start = text.index("{", at)
            raw, at = reader.raw_decode(text, start)
            found.append(_placed(diagram, raw))
    except (ValueError, KeyError, IndexError) as error:
        message = f"Graphviz answered with something that is no layout: {error}"
        raise CmtError("CMT-430", message, hint="`cmt doctor` names the program") from None
    return found


def _placed(diagram: Diagram, raw: dict[str, object]) -> Placed:
    _, _, width, height = (float(v) for v in str(raw["bb"]).split(","))
    boxes: list[dict[str, str]] = raw.get("objects", [])  # type: ignore[assignment]
    lines: list[dict[str, str]] = raw.get("edges", [])  # type: ignore[assignment]
    centre = {int(box["name"]): _points(box["pos"])[0] for box in boxes}
    curve: dict[tuple[int, int], tuple[float, ...]] = {}
    for line in lines:
        tail, head = int(line["tail"]), int(line["head"])
        *points, end = _ends_last(line["pos"])
        curve[tail, head] = tuple(round(v, 1) for x, y in [*points, end] for v in (x, height - y))
    centres = tuple((centre[i][0], round(height - centre[i][1], 1)) for i in range(len(diagram.boxes)))
    return Placed(width, height, centres, tuple(curve[a, b] for a, b, _ in diagram.edges))


def _ends_last(pos: str) -> list[tuple[float, float]]:
    """Graphviz writes an arrow's tip first, as `e,x,y`; a straight way to the tip is added at the end."""
    words = pos.split()
    if words[0].startswith("e,"):
        return [*_points(" ".join(words[1:])), *_points(words[0][2:])]
    return _points(pos)


def _points(text: str) -> list[tuple[float, float]]:
    pairs = [word.split(",") for word in text.split()]
    return [(float(x), float(y)) for x, y, *_ in pairs]
