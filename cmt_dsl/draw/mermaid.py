"""A scene as a Mermaid flowchart, as GitHub and GitLab render it in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from cmt_dsl.draw.palette import FLOW, INK, RESIDUAL, SHARED, colours
from cmt_dsl.draw.scene import Box, Cluster, Scene
from cmt_dsl.draw.units import brief, cost_line, marks, plain, shape

MOST_SIGNS, MOST_EDGES = 50_000, 500
"""What GitHub's Mermaid draws; beyond, it shows an error."""
LOOK = '%%{init: {"flowchart": {"wrappingWidth": 640, "subGraphTitleMargin": {"top": 4, "bottom": 6}}}}%%'
"""Labels are not wrapped: a frame has room for one line above what is in it."""
ARROWS = {"flow": "-->", "residual": "==>", "shared": "-.->"}


def mermaid(scene: Scene) -> str:
    """The Mermaid text of a scene: residual edges are thick, those of shared parameters dotted."""
    return "\n".join(_Mermaid(scene).lines()) + "\n"


class _Mermaid:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.names = {box.path: f"n{i}" for i, box in enumerate(scene.boxes)}
        self.frames = {cluster.path: f"c{i}" for i, cluster in enumerate(scene.clusters)}
        self.classes: dict[tuple[str, str, bool], list[str]] = {}

    def lines(self) -> Iterator[str]:
        yield LOOK
        yield "flowchart TB"
        for thing in self.scene.inside(""):
            yield from self._thing(thing, 1)
        for edge in self.scene.edges:
            yield f"  {self.names[edge.source]} {ARROWS[edge.kind]} {self.names[edge.target]}"
        yield f"  linkStyle default stroke:{FLOW}"
        for kind, colour in (("residual", RESIDUAL), ("shared", SHARED)):
            numbers = [str(i) for i, edge in enumerate(self.scene.edges) if edge.kind == kind]
            if numbers:
                yield f"  linkStyle {','.join(numbers)} stroke:{colour}"
        for i, ((fill, line, dashed), names) in enumerate(self.classes.items()):
            dash = ",stroke-dasharray:4 3" if dashed else ""
            yield f"  classDef k{i} fill:{fill},stroke:{line},color:{INK}{dash}"
            yield f"  class {','.join(names)} k{i}"

    def _thing(self, thing: Box | Cluster, depth: int) -> Iterator[str]:
        indent = "  " * depth
        fill, line = colours(self.scene, thing)
        if isinstance(thing, Box):
            name = self.names[thing.path]
            dashed = thing.training_only or thing.family == "outside"
            self.classes.setdefault((fill, line, dashed), []).append(name)
            start, end = ("([", "])") if thing.family in ("input", "parameter", "outside") else ("[", "]")
            yield f"{indent}{name}{start}{_label(thing)}{end}"
            return
        name = self.frames[thing.path]
        self.classes.setdefault(
            ("#f8fafc" if thing.family == "stage" else "#ffffff", line, False), []
        ).append(name)
        yield f"{indent}subgraph {name}[{_label(thing)}]"
        for inner in self.scene.inside(thing.path):
            yield from self._thing(inner, depth + 1)
        yield f"{indent}end"


def _label(thing: Box | Cluster) -> str:
    head = " ".join(
        word for word in (f"<b>{escaped(thing.title)}</b>", escaped(brief(thing)), marks(thing)) if word
    )
    rows = [head, shape(thing.output), escaped(cost_line(thing.figures))]
    between = " · " if isinstance(thing, Cluster) else "<br/>"
    return '"' + between.join(row for row in rows if row) + '"'


def escaped(text: str) -> str:
    """Text inside a quoted label: what Mermaid or HTML would read becomes an entity code."""
    signs = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "#": "35", "`": "96", "\\": "92", ";": "59"}
    return "".join(f"#{signs[c]};" if c in signs else c for c in plain(text))
