"""Drawings as text, Mermaid, DOT, SVG and PNG: goldens, valid syntax, the numbers of `cmt cost`."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from html import unescape
from xml.etree import ElementTree

import pytest

from cmt_dsl import CmtError, Cost, Graph, build, cost, load
from cmt_dsl.draw import LEVELS, Box, Cluster, Level, Scene, compose
from cmt_dsl.draw.dot import dot
from cmt_dsl.draw.mermaid import mermaid
from cmt_dsl.draw.render import Engine, engines, render
from cmt_dsl.draw.units import cost_line, percent, shape, short
from cmt_dsl.draw.write import text, write
from cmt_dsl.spec import names
from tests.golden.files import compare
from tests.golden.test_blocks import alone
from tests.tiny import MODELS, ROOT

ENGINES = engines()
SVG = "{http://www.w3.org/2000/svg}"
TOOLTIP = re.compile(
    r"(?P<path>\S+)(?: and (?P<more>\d+) more)?: .*\noutput (?P<shape>\S+)\n(?P<trainable>[\d,]+) parameters .*, "
    r"(?P<statistics>[\d,]+) statistics\n(?P<macs>[\d,]+) MACs .*\n(?P<activations>[\d,]+) bytes"
)
MERMAID = re.compile(
    r'flowchart TB|end|subgraph c\d+\["[^"]+"\]|n\d+(\["[^"]+"\]|\(\["[^"]+"\]\))|n\d+ (-->|==>|-\.->) n\d+'
    r"|linkStyle (default|[\d,]+) stroke:#[0-9a-f]{6}|class [nc\d,]+ k\d+"
    r"|classDef k\d+ fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}(,stroke-dasharray:4 3)?"
)


@lru_cache(maxsize=16)
def counted(name: str) -> tuple[Graph, Cost]:
    graph = build(load(name))
    return graph, cost(graph)


@lru_cache(maxsize=64)
def drawn(name: str, level: Level) -> Scene:
    return compose(*counted(name), level)


@pytest.mark.parametrize("block", names("blocks"))
def test_each_block_as_text_and_as_mermaid(block: str) -> None:
    graph = alone(block)
    scene = compose(graph, cost(graph), "op", "stages.0.blocks.0")
    compare(f"draw/{block}.txt", text(scene))
    compare(f"draw/{block}.mmd", mermaid(scene))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("name", MODELS)
def test_an_svg_is_valid_and_has_the_numbers_of_cost(name: str, engine: Engine) -> None:
    whole = counted(name)[1]
    scene = drawn(name, "block")
    root = ElementTree.fromstring(render(dot(scene), "svg", engine))
    assert root.tag == f"{SVG}svg"
    titles = {
        value for e in root.iter() for key, value in e.attrib.items() if key.rpartition("}")[2] == "title"
    }
    found = [match for match in map(TOOLTIP.match, titles) if match]
    assert {match["path"] for match in found} == {t.path for t in (*scene.boxes, *scene.clusters)}
    for match in found:
        thing = scene.by_path[match["path"]]
        assert int(match["more"] or 0) == thing.count - 1
        assert match["shape"] == shape(thing.output)
        for figure in ("trainable", "statistics", "macs", "activations"):
            exact = sum(getattr(whole.below(path), figure) for path in thing.instances)
            assert int(match[figure].replace(",", "")) == exact, (match["path"], figure)
    words = "\n".join("".join(e.itertext()) for e in root.iter(f"{SVG}text"))
    for thing in (*scene.boxes, *scene.clusters):
        assert shape(thing.output) in words
        assert cost_line(thing.figures) in words
    assert "×" in words or all(t.count == 1 for t in scene.clusters)
    assert not re.search(r'font-family="Helvetica[^,]*"', ElementTree.tostring(root, "unicode"))


def test_graphviz_pure_is_there_for_those_who_have_no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert [engine.name for engine in engines()] == ["graphviz-pure"]


def test_without_graphviz_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmt_dsl.draw.render.engines", list)
    with pytest.raises(CmtError, match="no Graphviz") as caught:
        write(drawn("cmt_nano", "model"), "svg")
    assert caught.value.code == "CMT-411"
    assert "pip install 'cmt-dsl[viz]'" in caught.value.problems[0].hint


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_what_graphviz_refuses_is_an_error(engine: Engine) -> None:
    with pytest.raises(CmtError) as caught:
        render("digraph {", "svg", engine)
    assert caught.value.code == "CMT-412"


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_a_png_is_one(engine: Engine) -> None:
    data = render(dot(drawn("cmt_nano", "stage")), "png", engine)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) > 10_000


def test_an_unknown_format() -> None:
    with pytest.raises(CmtError) as caught:
        write(drawn("cmt_nano", "model"), "jpeg")
    assert caught.value.code == "CMT-413"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_mermaid_is_well_formed_and_has_the_numbers_of_cost(name: str, level: Level) -> None:
    scene = drawn(name, level)
    written = mermaid(scene)
    lines = [line.strip() for line in written.splitlines()]
    assert json.loads(lines[0].removeprefix("%%{init: ").removesuffix("}%%"))
    assert [line for line in lines[1:] if not MERMAID.fullmatch(line)] == []
    opened = [line for line in lines if line.startswith("subgraph")]
    assert len(opened) == lines.count("end") == len(scene.clusters)
    labels = dict(re.findall(r'^\s*(?:subgraph )?([nc]\d+)\(?\["(.*)"\]\)?$', written, re.MULTILINE))
    for prefix, things in (("n", scene.boxes), ("c", scene.clusters)):
        for i, thing in enumerate(things):
            label = read(labels[f"{prefix}{i}"])
            assert f"<b>{thing.title}</b>" in label
            assert_figures(label, thing, scene)
    numbers = [n for line in lines if line.startswith("linkStyle ") for n in re.findall(r"\d+(?=[ ,])", line)]
    marked = [str(i) for i, edge in enumerate(scene.edges) if edge.kind != "flow"]
    assert sorted(numbers) == sorted(marked)


def read(label: str) -> str:
    """A label as a reader sees it."""
    return unescape(re.sub(r"#(\d+);", r"&#\1;", re.sub(r"#([a-z]+);", r"&\1;", label)))


def assert_figures(label: str, thing: Box | Cluster, scene: Scene) -> None:
    whole = counted(scene.model)[1]
    tallies = [whole.below(path) for path in thing.instances]
    macs, trainable = sum(t.macs for t in tallies), sum(t.trainable for t in tallies)
    assert shape(thing.output) in label
    assert (f"{short(trainable)} params" in label) == bool(trainable)
    assert (f"{short(macs)} MACs · {percent(macs / whole.total.macs)}" in label) == bool(macs)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MODELS)
def test_the_text_keeps_to_80_columns_and_has_the_numbers_of_cost(name: str, level: Level) -> None:
    scene = drawn(name, level)
    lines = text(scene).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 2 + len(scene.boxes) + len(scene.clusters)
    whole = counted(name)[1]
    things = iter(in_order(scene, ""))
    for line in lines[1:-1]:
        thing = next(things)
        tallies = [whole.below(path) for path in thing.instances]
        macs, trainable = sum(t.macs for t in tallies), sum(t.trainable for t in tallies)
        figures = [shape(thing.output)]
        figures += [short(trainable)] if trainable else []
        figures += [short(macs), percent(macs / whole.total.macs)[:-2]] if macs else []
        assert " ".join(line.split()).endswith(" ".join(figures)), line


def in_order(scene: Scene, cluster: str) -> list[Box | Cluster]:
    found: list[Box | Cluster] = []
    for thing in scene.inside(cluster):
        found += [thing, *in_order(scene, thing.path)] if isinstance(thing, Cluster) else [thing]
    return found


def test_a_narrow_terminal_cuts_names_never_figures() -> None:
    graph = build(load("cmt_b"))
    scene = compose(graph, cost(graph), "op", "stages.3.blocks.0")
    lines = text(scene, 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) == 2 + len(scene.boxes) + len(scene.clusters)
    assert any("…" in line for line in lines)
    cut = [line.partition("…")[2] for line in lines[1:] if "…" in line]
    assert all(re.fullmatch(r"[\s\d×.KMGT<]+", rest) for rest in cut)


@pytest.mark.parametrize(
    ("number", "wanted"),
    [(0, "0"), (999, "999"), (1000, "1.00 K"), (9_996, "10.0 K"), (99_960, "100 K"), (999_499, "999 K"),
     (999_500, "1.00 M"), (45_715_076, "45.7 M"), (9_317_124_096, "9.32 G"), (10**16, "10000 T")],
)  # fmt: skip
def test_short_numbers(number: int, wanted: str) -> None:
    assert short(number) == wanted


def test_shares() -> None:
    assert [percent(x) for x in (0, 1e-9, 0.00049, 0.0005, 0.123, 1)] == [
        "0.0 %", "<0.1 %", "<0.1 %", "0.1 %", "12.3 %", "100.0 %",
    ]  # fmt: skip


def test_the_drawing_in_the_readme_is_what_the_command_prints() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.partition("```mermaid\n")[2].partition("```")[0] == mermaid(drawn("cmt_nano", "stage"))
