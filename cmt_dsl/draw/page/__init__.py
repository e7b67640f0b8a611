"""The explorer page: a model in one HTML file, to look at, search, open and fold, beside its spec."""

from __future__ import annotations

from cmt_dsl.cost import cost
from cmt_dsl.draw.compose import compose
from cmt_dsl.draw.page.payload import payload
from cmt_dsl.draw.page.shell import page, scripts, styles, template
from cmt_dsl.draw.render import Engine, render
from cmt_dsl.draw.table import DEPTH, Level
from cmt_dsl.ir import Graph
from cmt_dsl.spec import Model

_STYLES = ("theme.css", "layout.css", "graph.css", "print.css")
_SCRIPTS = (
    "theme.js", "model.js", "geometry.js", "graph.js", "view.js", "details.js", "source.js", "search.js",
    "bars.js", "main.js",
)  # fmt: skip


def explorer(
    model: Model,
    graph: Graph,
    *,
    level: Level = "model",
    path: str = "",
    fold: bool = True,
    engine: Engine | None = None,
) -> str:
    """The page of a model as HTML text: opened down to `level`, and at the part `path` where one is given.

    With `fold` false every instance of a repeated block is a box of its own.

    Graphviz lays it out: `engine`, or the first of this machine. Raises CMT-410 for an unknown path, CMT-411
    and 412 without a Graphviz that works, CMT-430 and 431.
    """
    total = cost(graph)
    compose(graph, total, "model", path)  # refuses a path that is no part of the model
    scene = compose(graph, total, "op", doc=model.spec.doc, fold=fold)
    data = payload(graph, scene, lambda text: render(text, "json0", engine).decode())
    data |= {"level": DEPTH[level], "focus": path}
    body = template("explorer.html")
    return page(f"{graph.name} · CMT-DSL", styles(*_STYLES), scripts(*_SCRIPTS), body, data)
