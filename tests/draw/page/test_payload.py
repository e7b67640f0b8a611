"""What the page knows, against the graph it was made from; the command that writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import Graph, build, cost, load
from cmt_dsl.draw import compose
from cmt_dsl.draw.page import explorer
from cmt_dsl.draw.page.layout import Diagram, lay_out
from cmt_dsl.draw.page.lines import Extents
from cmt_dsl.draw.page.payload import payload
from cmt_dsl.draw.render import engines, render
from cmt_dsl.errors import CmtError, Place
from cmt_dsl.spec.find import opened, shown
from tests.cli.cmt import cmt, process
from tests.tiny import MODELS, ROOT


def known(graph: Graph) -> dict[str, Any]:
    return payload(graph, compose(graph, cost(graph), "op"), lambda text: render(text, "json0").decode())


@pytest.mark.parametrize("name", MODELS)
def test_every_node_is_there_once_with_the_figures_of_cost(name: str) -> None:
    graph = build(load(name))
    total = cost(graph)
    data = known(graph)
    assert data["total"]["macs"] == total.total.macs
    sums = dict.fromkeys(data["total"], 0)
    for thing in data["things"]:
        each = total.below(thing["path"])
        count = len(thing.get("instances", [0]))
        assert thing["figures"] == {
            "params": each.trainable * count,
            "statistics": each.statistics * count,
            "macs": each.macs * count,
            "activations": each.activations * count,
        }
        if "layout" not in thing:
            for key, value in thing["figures"].items():
                sums[key] += value * thing["times"] // count
    assert sums == data["total"]
    assert sum(t["times"] for t in data["things"] if "layout" not in t) == len(graph.nodes)


@pytest.mark.parametrize("name", ["cmt_nano", "example_parallel"])
def test_edges_inside_clusters_are_the_inputs_of_the_graph(name: str) -> None:
    graph = build(load(name))
    data = known(graph)
    things = data["things"]
    for layout, path in [(data["root"], ""), *((t["layout"], t["path"]) for t in things if "layout" in t)]:
        kids = [things[number]["path"] for number, *_ in layout["kids"]]
        ends = [*kids, *(f"port {port[0]}" for port in layout["ports"])]
        for i, kid in enumerate(kids):
            if kid not in graph.by_path:
                continue
            drawn = {ends[tail] for tail, head, *_ in layout["edges"] if head == i}
            inside = {k for k in kids for p in graph.by_path[kid].inputs if p == k or p.startswith(f"{k}.")}
            assert {end for end in drawn if not end.startswith("port ")} == inside, (path, kid)
            outside = [
                p for p in graph.by_path[kid].inputs if not any(p == k or p.startswith(f"{k}.") for k in kids)
            ]
            assert bool(outside) == any(end.startswith("port ") for end in drawn), (path, kid)


def test_instances_that_differ_say_how() -> None:
    graph = build(load("cmt_ti"))
    varies = known(graph)["varies"]
    rates = {p: n.op.rate for p, n in graph.by_path.items() if n.op.kind == "drop_path"}  # type: ignore[attr-defined]
    first = {p: rates[p.replace(p.split(".")[3], "0", 1) if ".blocks.0." in p else p] for p in rates}
    assert len(varies) > 20 and set(varies) < set(rates)
    assert all(varies[p] == {"rate": str(first[p])} for p in varies)


def test_layouts_of_both_engines_keep_boxes_apart() -> None:
    found = engines()
    assert found
    diagrams = [
        Diagram(((200, 60),) * 4, ((0, 1, 9), (1, 2, 9), (0, 2, 1), (3, 2, 1))),
        Diagram(((200, 60),), ()),
    ]
    for engine in found:
        placed, single = lay_out(diagrams, lambda text, engine=engine: render(text, "json0", engine).decode())
        assert single.centres == ((100.0, 30.0),) and single.curves == ()
        (ax, ay), (_, by), (_, cy), _ = placed.centres
        assert ay < by < cy and by - ay >= 60
        assert placed.curves[0][:2] == pytest.approx((ax, ay + 30), abs=0.2)
        assert all(len(curve) % 2 == 0 and len(curve) >= 10 for curve in placed.curves)


@pytest.mark.parametrize(
    "answer", ["", "no json", "{}", '{"bb": "0,0,1"}', '{"bb": "0,0,9,9", "objects": []}']
)
def test_a_layout_that_is_none_is_an_error(answer: str) -> None:
    with pytest.raises(CmtError) as error:
        lay_out([Diagram(((9, 9),), ())], lambda _: answer)
    assert error.value.code == "CMT-430"


def test_extents_of_values() -> None:
    text = "a: 1\nb: {c: 2,\n    d: 3}\ne:\n  - f: >-\n      two\n      lines\n  - g\nh: x\n"
    extents = Extents(text)
    ends = {(1, 4): 1, (2, 4): 3, (5, 3): 8, (5, 5): 7, (5, 8): 7, (8, 5): 8, (9, 4): 9, (99, 1): 99}
    assert {at: extents.last(Place("x", *at)) for at in ends} == ends
    with pytest.raises(CmtError) as error:
        Extents("a: [")
    assert error.value.code == "CMT-431"


def test_names_of_files_lead_back_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "specs/models/cmt_s.yaml"
    for folder in (ROOT, tmp_path):
        monkeypatch.chdir(folder)
        assert shown(file) == "specs/models/cmt_s.yaml"
        assert opened(shown(file)).samefile(file)
    mine = tmp_path / "specs/models/cmt_s.yaml"  # of the same name as a shipped one
    mine.parent.mkdir(parents=True)
    mine.write_text("model: mine\n")
    assert opened(shown(file)).samefile(file)
    assert opened(shown(mine)).samefile(mine)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    file = tmp_path / "b.html"
    done = process("draw", "cmt_b", "--format", "html", "-o", file)
    assert done.code == 0
    assert file.read_text().startswith("<!DOCTYPE html>") and file.stat().st_size < 1_000_000
    piped = process("draw", "cmt_nano", "--format", "html", "--set", "classes=7")
    assert piped.out.rstrip().endswith("</html>")


def test_level_and_path_say_how_the_page_starts(tmp_path: Path) -> None:
    file = tmp_path / "x.html"
    assert cmt("draw", "cmt_nano", "--level", "op", "--path", "stages.1.blocks.0", "-o", file).code == 0
    text = file.read_text().split('id="payload">')[1].split("</script>")[0]
    data = json.loads(text)
    assert (data["level"], data["focus"]) == (99, "stages.1.blocks.0")
    done = cmt("draw", "cmt_nano", "--path", "stages.7", "-o", file)
    assert done.code == 2 and "CMT-410" in done.err
    model = load("cmt_nano")
    with pytest.raises(CmtError):
        explorer(model, build(model), path="nowhere")
