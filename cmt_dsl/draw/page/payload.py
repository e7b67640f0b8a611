"""A scene as the data that the explorer page draws from: boxes, figures, places, texts, positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cmt_dsl.draw.page.layout import Diagram, Placed, lay_out
from cmt_dsl.draw.page.lines import Extents, texts
from cmt_dsl.draw.palette import FAMILIES, colours
from cmt_dsl.draw.scene import Box, Cluster, Edge, Figures, Scene
from cmt_dsl.errors import Place
from cmt_dsl.ir import Graph, Node, above, spelled

BOX = (264, 66)
"""Width and height of every box that is not open, in pixels."""
PORT = (84, 22)
"""The same of the mark where a value comes into a cluster."""


def payload(graph: Graph, scene: Scene, render: Callable[[str], str]) -> dict[str, Any]:
    """What the page knows. `scene` shows the whole model down to its operators; `render` is Graphviz."""
    return _Builder(graph, scene, render).build()


class _Builder:
    def __init__(self, graph: Graph, scene: Scene, render: Callable[[str], str]) -> None:
        self.graph, self.scene, self.render = graph, scene, render
        self.scopes = {scope.path: scope for scope in graph.scopes}
        self.things: list[Box | Cluster] = list(self._walk(""))
        self.number = {thing.path: i for i, thing in enumerate(self.things)}
        items = (*graph.nodes, *graph.scopes)
        found = texts(item.place for item in items if item.place)
        self.texts = {graph.files.get(name, name): text for name, text in found.items()}
        self.extents = {name: Extents(text) for name, text in self.texts.items()}

    def _walk(self, cluster: str) -> Iterator[Box | Cluster]:
        """Outside in, in the order of the graph: a cluster stands before what is in it."""
        for thing in self.scene.inside(cluster):
            yield thing
            if isinstance(thing, Cluster):
                yield from self._walk(thing.path)

    def build(self) -> dict[str, Any]:
        clusters = ["", *(thing.path for thing in self.things if isinstance(thing, Cluster))]
        insides = [_Inside(self, path) for path in clusters]
        placed = lay_out([inside.diagram for inside in insides], self.render)
        layouts = {path: i.json(at) for path, i, at in zip(clusters, insides, placed, strict=True)}
        return {
            "model": self.scene.model,
            "doc": self.scene.doc,
            "input": list(self.graph.input.type.shape),
            "output": list(self.graph.output.type.shape),
            "total": _figures(self.scene.total),
            "box": BOX,
            "port": PORT,
            "things": [self._thing(thing, layouts.get(thing.path)) for thing in self.things],
            "root": layouts[""],
            "files": [{"name": name, "text": text} for name, text in self.texts.items()],
            "inks": {
                "families": {family: line for family, (_, line) in FAMILIES.items()},
                "blocks": {t.what: colours(self.scene, t)[1] for t in self.things if t.family == "block"},
            },
            "varies": dict(self._varying()),
            "moved": dict(self._moved()),
        }

    def _thing(self, thing: Box | Cluster, layout: dict[str, Any] | None) -> dict[str, Any]:
        found: dict[str, Any] = {
            "path": thing.path,
            "title": thing.title,
            "what": thing.what,
            "family": thing.family,
            "times": thing.times,
            "output": list(thing.output),
            "figures": _figures(thing.figures),
            "parent": self.number.get(thing.cluster, -1),
            "place": self._place(thing.place),
        }
        if thing.count > 1:
            found["instances"] = list(thing.instances)
        if layout is not None:
            return {**found, "layout": layout}
        assert isinstance(thing, Box)
        node = self.graph.by_path[thing.path]
        return {
            **found,
            "attributes": [[key, spelled(value)] for key, value in thing.attributes],
            "brief": " ".join(f"{key}={spelled(value)}" for key, value in thing.brief),
            "parameters": [[p.name, list(p.shape), p.elements, p.trainable, p.init] for p in node.params],
            "training": thing.training_only,
            "shared": thing.shared_by,
        }

    def _place(self, place: Place | None) -> list[Any] | None:
        """File, line, column, last line; line 0 says that there is no text to show."""
        if place is None:
            return None
        known = self.extents.get(place.file)
        if known is None:
            return [place.file, 0, 0, 0]
        return [place.file, place.line, place.column, known.last(place)]

    def _varying(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Attributes in which an instance differs from the one that is drawn, such as drop-path rates."""
        for node in self.graph.nodes:
            drawn = self.scene.shown(node.path)
            if drawn is None or drawn.path == node.path or not isinstance(drawn, Box):
                continue
            usual = _attributes(self.graph.by_path[drawn.path])
            other = {k: spelled(v) for k, v in _attributes(node).items() if usual[k] != v}
            if other:
                yield node.path, other

    def _moved(self) -> Iterator[tuple[str, list[Any] | None]]:
        """Places of instances that stand in other lines than the one that is drawn."""
        for item in (*self.graph.nodes, *self.graph.scopes):
            drawn = self.scene.shown(item.path)
            place = self.graph.shared_place(item)
            if drawn is not None and place != drawn.place:
                yield item.path, self._place(place)


class _Inside:
    """What lies directly in one cluster: ports, boxes, and the edges between them."""

    def __init__(self, builder: _Builder, path: str) -> None:
        self.builder, self.path = builder, path
        self.kids = [thing.path for thing in builder.scene.inside(path)]
        self.order = {kid: i for i, kid in enumerate(self.kids)}
        self.ports: dict[str, int] = {}
        self.edges: dict[tuple[int, int], str] = {}
        self.names = self._names()
        for edge in builder.scene.edges:
            self._add(edge)
        boxes = (*(BOX for _ in self.kids), *(PORT for _ in self.ports))
        weight = {"flow": 9, "residual": 1, "shared": 1}
        self.diagram = Diagram(boxes, tuple((*ends, weight[kind]) for ends, kind in self.edges.items()))

    def _names(self) -> dict[str, str]:
        """What the block calls the values that come from outside."""
        scope = self.builder.scopes.get(self.path)
        found: dict[str, str] = {}
        for name, source in scope.inputs if scope else ():
            shown = self.builder.scene.shown(source)
            if shown:
                found[shown.path] = name
        return found

    def _add(self, edge: Edge) -> None:
        """The part of an edge that runs in this cluster; an edge back is a run's next instance."""
        head = self._kid(edge.target)
        if head is None:
            return
        tail = self._kid(edge.source)
        if tail is None:
            name = self.names.get(edge.source, edge.source.rsplit(".", 1)[-1])
            tail = self.ports.setdefault(name, len(self.kids) + len(self.ports))
        elif tail >= head:
            return
        known = self.edges.get((tail, head))
        self.edges[tail, head] = edge.kind if known in (None, edge.kind) else "flow"

    def _kid(self, path: str) -> int | None:
        """The child of this cluster that a box is, or is in."""
        for each in (path, *above(path)):
            if each in self.order:
                return self.order[each]
        return None

    def json(self, placed: Placed) -> dict[str, Any]:
        """Size, children and ports with their centres, edges by position in that list."""
        centres = placed.centres
        return {
            "width": placed.width,
            "height": placed.height,
            "kids": [[self.builder.number[kid], *centres[i]] for i, kid in enumerate(self.kids)],
            "ports": [[name, *centres[i]] for name, i in self.ports.items()],
            "edges": [
                [tail, head, kind, list(curve)]
                for ((tail, head), kind), curve in zip(self.edges.items(), placed.curves, strict=True)
            ],
        }


def _figures(figures: Figures) -> dict[str, int]:
    return {
        "params": figures.trainable,
        "statistics": figures.statistics,
        "macs": figures.macs,
        "activations": figures.activations,
    }


def _attributes(node: Node) -> dict[str, Any]:
    import dataclasses

    fields = dataclasses.fields(node.op)  # type: ignore[arg-type]
    return {field.name: getattr(node.op, field.name) for field in fields}
