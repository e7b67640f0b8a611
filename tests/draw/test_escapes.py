"""Names and texts with HTML, quotes, newlines and Unicode do nothing in any format."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from cmt_dsl import Graph, build, cost, load
from cmt_dsl.diff import Difference, diff
from cmt_dsl.draw import Scene, compose
from cmt_dsl.draw.dot import dot
from cmt_dsl.draw.mermaid import mermaid
from cmt_dsl.draw.render import Engine, engines, render
from cmt_dsl.draw.sheet import sheet
from cmt_dsl.draw.sides import side_by_side
from cmt_dsl.draw.write import text

ENGINES = engines()
EVIL = [
    '"><script>alert(1)</script>',
    "</b></font>]]><img src=x onerror=alert(1)>",
    "a\nb\r\nc\td",
    "quote ' double \" back \\ slash \\n \\",
    "&amp; &lt; #quot; ; `code` [x](y) {z} | %% --> end",
    "é 漢字 🙂 \u202e\u200b\u2028",
    "nul\x00 bell\x07 esc\x1b[31m del\x7f",
    "\ud800 \ufffe",
]
FORBIDDEN = ("<script", "<img", "onerror=alert(1)>")


def evil(word: str) -> tuple[Graph, Scene]:
    """A graph whose name and blocks are called `word`, and a drawing that also says it elsewhere."""
    graph = build(load("cmt_nano"))
    scopes = tuple(
        dataclasses.replace(scope, block=word) if scope.block != "stage" else scope for scope in graph.scopes
    )
    graph = dataclasses.replace(graph, name=word, scopes=scopes)
    scene = compose(graph, cost(graph), "block", doc=word)
    boxes = tuple(
        dataclasses.replace(box, title=word, attributes=((word, word),), brief=((word, word),))
        for box in scene.boxes
    )
    clusters = tuple(dataclasses.replace(cluster, title=word) for cluster in scene.clusters)
    return graph, dataclasses.replace(scene, boxes=boxes, clusters=clusters)


@pytest.mark.parametrize("word", EVIL, ids=range(len(EVIL)))
def test_in_text(word: str) -> None:
    written = text(evil(word)[1], 200)
    assert not [c for c in written if not c.isprintable() and c != "\n"]
    scene = evil("plain")[1]
    assert len(written.splitlines()) == len(text(scene, 200).splitlines())


@pytest.mark.parametrize("word", EVIL, ids=range(len(EVIL)))
def test_in_mermaid(word: str) -> None:
    written = mermaid(evil(word)[1])
    assert len(written.splitlines()) == len(mermaid(evil("plain")[1]).splitlines())
    for label in re.findall(r'\["(.*)"\]', written):
        assert '"' not in label
        assert set(re.findall(r"<[^>]*>", label)) <= {"<b>", "</b>", "<br/>"}
    written.encode()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("word", EVIL, ids=range(len(EVIL)))
def test_in_svg(word: str, engine: Engine) -> None:
    graph, scene = evil(word)
    svg = render(dot(scene), "svg", engine)
    root = ElementTree.fromstring(svg)
    assert_harmless(root)
    if word == EVIL[0]:
        said = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
        assert any(word in each for each in said), "the name is shown as it is"
    d = of(graph, word)
    page = sheet(d, render(side_by_side(d, scene, scene), "svg", engine).decode())
    assert not [bad for bad in FORBIDDEN if bad in page]
    assert_harmless(ElementTree.fromstring(page[page.index("<svg") : page.index("</figure>")]))


def of(graph: Graph, word: str) -> Difference:
    model = load("cmt_nano")
    spec = model.spec.model_copy(update={"model": word})
    mine = (dataclasses.replace(model, spec=spec), graph)
    d = diff(mine, (load("cmt_nano"), build(load("cmt_nano", set={"stages.0.depth": 2}))))
    change = dataclasses.replace(
        diff(mine, (load("cmt_s"), graph)).spec[0], path=word, attribute=word, a=word
    )
    return dataclasses.replace(d, spec=(change,), added=(*d.added, word), renamed=((word, word),))


def assert_harmless(root: ElementTree.Element) -> None:
    tags = {e.tag.rpartition("}")[2] for e in root.iter()}
    assert tags <= {"svg", "g", "title", "text", "tspan", "path", "polygon", "polyline", "ellipse", "a"}
    for element in root.iter():
        names = [key.rpartition("}")[2] for key in element.attrib]
        assert not [name for name in names if name.startswith("on") or name == "href"]
