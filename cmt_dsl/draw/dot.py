"""A scene as DOT, for Graphviz: stages side by side as columns, blocks as clusters within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from cmt_dsl.draw.palette import FLOW, INK, MUTED, PAPER, RESIDUAL, RULE, SHARED, Colours, colours
from cmt_dsl.draw.scene import Box, Cluster, Edge, Scene
from cmt_dsl.draw.units import brief, cost_line, exact, marks, plain, shape, short

FONT = "Helvetica"
ROUND = "rounded,filled"
MANY = 24
"""From so many boxes on, what lies at the top stands in columns, so that the drawing fits a page."""


def dot(scene: Scene) -> str:
    """The DOT text of a scene."""
    part = Part(scene)
    return document(scene.model, part.title(), part.lines())


def document(name: str, title: str, lines: Iterable[str]) -> str:
    """A whole DOT text: the looks of graph, boxes and edges, then the lines of its parts."""
    font, ink = _quoted(FONT), _quoted(INK)
    return "\n".join(
        [
            f"digraph {_quoted(name)} {{",
            f"  graph [rankdir=TB, newrank=true, compound=true, bgcolor={_quoted(PAPER)}, pad=0.3, nodesep=0.22,"
            f" ranksep=0.28, fontname={font}, fontsize=11, fontcolor={ink},"
            f" labelloc=t, labeljust=l, label=<{title}>, tooltip={_quoted(name)}]",
            f'  node [shape=box, style="rounded,filled", fontname={font}, fontsize=10,'
            f' fontcolor={ink}, margin="0.11,0.05", height=0.3, penwidth=1]',
            f"  edge [color={_quoted(FLOW)}, arrowsize=0.6, penwidth=1, fontname={font}, fontsize=9]",
            *lines,
            "}\n",
        ]
    )


def framed(name: str, part: Part) -> list[str]:
    """A part's lines in a frame of their own with its title, for a drawing of several."""
    head = f"  subgraph {_quoted('cluster_' + name)} {{"
    look = f'    graph [style="rounded", color={_quoted(RULE)}, label=<{part.title()}>, margin=14]'
    return [head, look, *part.lines(), "  }"]


class Part:
    """A scene's lines of DOT; several parts make one drawing when their prefixes differ."""

    def __init__(self, scene: Scene, *, prefix: str = "", tints: Mapping[str, Colours] | None = None) -> None:
        self.scene, self.prefix, self.tints = scene, prefix, tints or {}
        top = scene.inside("")
        self.columns = not scene.path and not prefix and len(scene.boxes) >= MANY and len(top) > 2
        self.column: dict[str, int] = {}
        """The column of each box."""
        leaves: dict[str, list[str]] = {
            c.path: [b.path for b in _leaves(scene, c) if not b.shared_by] for c in scene.clusters
        }
        self.ends = {path: (boxes[0], boxes[-1]) for path, boxes in leaves.items() if boxes}
        """The first and the last box of each cluster."""
        number = -1
        for i, thing in enumerate(top):
            # small boxes stand above the column that follows them, the last thing in one of its own
            number += i == 0 or isinstance(top[i - 1], Cluster) or (isinstance(thing, Cluster) and i > 1)
            for box in _leaves(scene, thing):
                self.column[box.path] = number

    def lines(self) -> Iterator[str]:
        """Boxes, clusters and edges."""
        for thing in self.scene.inside(""):
            yield from self._thing(thing, 1)
        if self.columns:
            yield from self._heads()
        for edge in self.scene.edges:
            yield self._edge(edge)

    def title(self) -> str:
        """The model's name and its cost, as an HTML-like label."""
        scene, total = self.scene, self.scene.total
        facts = f"{short(total.trainable)} parameters · {short(total.macs)} MACs"
        facts = f"of a model with {facts}" if scene.path else facts
        name = f"{scene.model} {scene.path}".strip()
        return (
            f'<font point-size="16"><b>{_html(name)}</b></font>'
            f'<font point-size="11" color="{MUTED}">   {_html(facts)}</font><br align="left"/> <br/>'
        )

    def _id(self, path: str, kind: str = "") -> str:
        return _quoted(kind + self.prefix + path)

    def _colours(self, thing: Box | Cluster) -> Colours:
        return self.tints.get(thing.path) or colours(self.scene, thing)

    def _heads(self) -> Iterator[str]:
        """The first boxes of the columns on one rank, from left to right."""
        first: dict[int, str] = {}
        for box in self.scene.boxes:
            if not box.shared_by:
                first.setdefault(self.column[box.path], box.path)
        chain = " -> ".join(self._id(first[number]) for number in sorted(first))
        yield f"  {{ rank=same; {chain} [style=invis, minlen=2] }}"

    def _thing(self, thing: Box | Cluster, depth: int) -> Iterator[str]:
        indent = "  " * depth
        if isinstance(thing, Box):
            yield indent + self._box(thing)
            return
        line = self._colours(thing)[1]
        pale = "#f8fafc" if thing.family == "stage" else PAPER
        yield f"{indent}subgraph {self._id(thing.path, 'cluster_')} {{"
        yield (
            f'{indent}  graph [style="rounded,filled", color={_quoted(line)}, fillcolor={_quoted(pale)}, penwidth='
            f"{1.6 if thing.count > 1 else 1}, label=<{self._header(thing)}>, labeljust=l, margin=9,"
            f" tooltip={_quoted(exact(thing))}]"
        )
        for inner in self.scene.inside(thing.path):
            yield from self._thing(inner, depth + 1)
        yield f"{indent}}}"

    def _header(self, cluster: Cluster) -> str:
        times = f' <font color="{RESIDUAL}"><b>×{cluster.count}</b></font>' if cluster.count > 1 else ""
        facts = f"{shape(cluster.output)} · {cost_line(cluster.figures)}"
        return (
            f'<b>{_html(cluster.title)}</b> {_html(brief(cluster))}{times}<br align="left"/>'
            f'<font point-size="9" color="{MUTED}">{_html(facts)}</font><br align="left"/>'
        )

    def _box(self, box: Box) -> str:
        fill, line = self._colours(box)
        style = "rounded,filled"
        if box.training_only or box.family == "outside":
            style += ",dashed"
        attributes = {
            "label": f"<{self._label(box)}>",
            "fillcolor": _quoted(fill),
            "color": _quoted(line),
            "style": _quoted(style),
            "tooltip": _quoted(exact(box)),
        }
        if box.count > 1 or box.shared_by:
            attributes["peripheries"] = "2"
        text = ", ".join(f"{key}={value}" for key, value in attributes.items())
        return f"{self._id(box.path)} [{text}]"

    def _label(self, box: Box) -> str:
        mark = marks(box)
        gap = "<br/>" if box.shared_by else " "
        coloured = f'{gap}<font color="{RESIDUAL}"><b>{_html(mark)}</b></font>' if mark else ""
        rows = [
            f"<b>{_html(box.title)}</b> {_html(brief(box))}{coloured}",
            f'<font point-size="9" color="{MUTED}">{_html(shape(box.output))}</font>',
        ]
        cost = cost_line(box.figures)
        if cost:
            rows.append(f'<font point-size="9" color="{MUTED}">{_html(cost)}</font>')
        return "<br/>".join(rows)

    def _edge(self, edge: Edge) -> str:
        attributes: dict[str, str] = {}
        if edge.kind == "residual":
            attributes |= {"color": _quoted(RESIDUAL), "penwidth": "1.6", "tooltip": '"residual"'}
        elif edge.kind == "shared":
            attributes |= {"color": _quoted(SHARED), "style": "dashed", "tooltip": '"shared parameter"'}
        if edge.kind != "residual":
            attributes["weight"] = "4" if edge.kind == "flow" else "1"
            attributes |= self._clipped(edge)
        if self.columns and self.column[edge.source] != self.column[edge.target]:
            attributes |= {"constraint": "false", "penwidth": "1.6", "tailport": "e", "headport": "w"}
        text = ", ".join(f"{key}={value}" for key, value in attributes.items())
        return f"  {self._id(edge.source)} -> {self._id(edge.target)}" + (f" [{text}]" if text else "")

    def _clipped(self, edge: Edge) -> dict[str, str]:
        """Flow into the first box of a cluster, or out of the last, ends at the cluster's border."""
        source, target = self._around(edge.source), self._around(edge.target)
        attributes: dict[str, str] = {}
        left = next((c for c in source if c not in target), "")
        entered = next((c for c in target if c not in source), "")
        if left and self.ends[left][1] == edge.source:
            attributes["ltail"] = self._id(left, "cluster_")
        if entered and self.ends[entered][0] == edge.target:
            attributes["lhead"] = self._id(entered, "cluster_")
        return attributes

    def _around(self, path: str) -> list[str]:
        """The clusters around a box, outside in."""
        found: list[str] = []
        thing: Box | Cluster = self.scene.by_path[path]
        while thing.cluster:
            found.insert(0, thing.cluster)
            thing = self.scene.by_path[thing.cluster]
        return found


def _leaves(scene: Scene, thing: Box | Cluster) -> Iterator[Box]:
    if isinstance(thing, Box):
        yield thing
    else:
        for inner in scene.inside(thing.path):
            yield from _leaves(scene, inner)


def _quoted(text: str) -> str:
    """A DOT string; a newline stays one."""
    lines = (plain(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


def _html(text: str) -> str:
    """Text inside an HTML-like label."""
    return escape(plain(text))
