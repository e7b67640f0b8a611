"""The explorer page in a real browser: every way of using it, and silence on the network."""

from __future__ import annotations

from typing import Any

import pytest

from cmt_dsl import build, cost, load
from cmt_dsl.ir import Graph, above

OPEN = "el => el.getAttribute('aria-expanded')"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build(load("cmt_b"))


@pytest.fixture
def seen(see: Any, pages: dict[str, str]) -> Any:
    found = see(pages["cmt_b"])
    yield found
    assert found.quiet()


def lines_lit(page: Any) -> list[int]:
    return [int(n) for n in page.eval_on_selector_all(".line.lit", "rows => rows.map(r => r.dataset.line)")]


def test_it_opens_folded_and_shows_the_whole_model(seen: Any) -> None:
    page = seen.page
    titles = page.eval_on_selector_all("[role=treeitem] > .name", "all => all.map(e => e.textContent)")
    assert titles == ["input", "stem", *(f"stages.{i}" for i in range(4)), "head"]
    assert seen.path() == "cmt_b"
    frame = page.locator("#graph").bounding_box()
    for box in page.locator("[role=treeitem]").all():
        inner = box.bounding_box()
        assert inner["y"] >= frame["y"] and inner["y"] + inner["height"] <= frame["y"] + frame["height"]


def test_search_goes_to_an_instance_of_a_repeated_block(seen: Any, graph: Graph) -> None:
    page = seen.page
    seen.search("stages.2.blocks.7.drop1")
    assert seen.path() == "stages.2.blocks.7.drop1"
    assert "instance 8 of 20" in page.inner_text(".stepper")
    rate = str(graph.by_path["stages.2.blocks.7.drop1"].op.rate)  # type: ignore[attr-defined]
    assert rate in page.inner_text("#details .facts:last-of-type")
    page.click(".stepper button[aria-label='Next instance']")
    assert seen.path() == "stages.2.blocks.8.drop1"
    assert str(graph.by_path["stages.2.blocks.8.drop1"].op.rate) in page.inner_text("#details")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "first", "least"),
    [("attn.q", "stages.0.blocks.0.attn.q", 32), ("softmax", "stages.0.blocks.0.attn.weights", 32),
     ("irffn stages.3", "stages.3.blocks.0.ffn", 4), ("STEM CONV2", "stem.conv2", 1)],
)  # fmt: skip
def test_search_by_path_operator_and_block(seen: Any, words: str, first: str, least: int) -> None:
    page = seen.page
    page.fill("#query", words)
    found = page.eval_on_selector_all("#hits .path", "all => all.map(e => e.textContent)")
    assert found[0] == first and len(found) >= least
    assert page.get_attribute("#query", "aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    chosen = page.get_attribute("#query", "aria-activedescendant")
    assert chosen == "hit-1"
    page.click("#hits li")
    assert seen.path() == first


def test_a_link_may_name_a_path(seen: Any, browser: Any) -> None:
    page = browser.new_page()
    page.goto(seen.page.url + "#stages.2.blocks.7.attn")
    page.wait_for_selector("#graph[data-seen]")
    assert page.inner_text("#details h2") == "stages.2.blocks.7.attn"
    box, frame = page.locator(".selected > .frame").bounding_box(), page.locator("#graph").bounding_box()
    assert frame["y"] <= box["y"] <= frame["y"] + frame["height"] - box["height"]
    page.close()


def test_search_that_finds_nothing_says_so(seen: Any) -> None:
    seen.page.fill("#query", "no.such.thing")
    assert seen.page.inner_text("#hits") == "nothing found"
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Escape")
    assert seen.page.is_hidden("#hits")


def test_folding_by_mouse_and_by_levels(seen: Any) -> None:
    page = seen.page
    count = page.locator("[role=treeitem]").count
    assert count() == 7
    seen.item("stages.2").locator(".chevron").first.click()
    assert count() == 10  # embed, position, blocks ×20
    assert seen.item("blocks.0–19").get_attribute("aria-expanded") == "false"
    seen.item("blocks.0–19").dblclick()
    assert count() == 19
    page.click("button:text-is('Operators')")
    assert page.locator("[role=treeitem][aria-expanded=false]").count() == 0
    page.click("button:text-is('Model')")
    assert count() == 7
    page.click("button:text-is('Stages')")
    assert page.locator("[role=treeitem][aria-expanded=true]").count() == 4


def test_nothing_overlaps_however_much_is_open(seen: Any) -> None:
    seen.page.click("button:text-is('Operators')")
    overlaps = seen.page.evaluate(
        """() => {
      const leaves = [...document.querySelectorAll('.leaf > .frame, .port rect')].map(e => e.getBoundingClientRect());
      let n = 0;
      leaves.forEach((a, i) => leaves.slice(i + 1).forEach(b => {
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) n += 1;
      }));
      return [leaves.length, n];
    }"""
    )
    assert overlaps[0] > 150 and overlaps[1] == 0


def test_a_node_shows_its_line_and_a_line_its_nodes(seen: Any, graph: Graph) -> None:
    page = seen.page
    seen.search("stages.1.blocks.0.attn.reduce")
    place = graph.by_path["stages.1.blocks.0.attn.reduce"].place
    assert place is not None
    assert page.get_attribute("[role=tab][aria-selected=true]", "title") == place.file
    assert lines_lit(page) == [place.line, place.line + 1]  # the node is written on two lines
    assert page.locator(".line.current").first.is_visible()

    row = page.locator(f'.line[data-line="{place.line + 8}"]')  # q_heads … scores: another one
    wanted = {
        n.path
        for n in graph.nodes
        if n.place and (n.place.file, n.place.line) == (place.file, place.line + 8)
    }
    assert wanted
    row.click()
    page.click("button:text-is('Operators')")
    lit = set(page.eval_on_selector_all("#graph .lit", "all => all.map(e => e.id)"))
    assert len(lit) == 4  # one for each stage; all its instances are drawn once
    assert seen.path() in wanted
    assert str(len(wanted)) in str(row.get_attribute("title"))


def test_a_line_of_the_model_lights_up_its_blocks(seen: Any) -> None:
    page = seen.page
    page.locator('.line[data-line="10"]').click()  # block: cmt
    assert "block: cmt" in page.inner_text('.line[data-line="10"]')
    assert seen.path() == "stages.0.blocks.0"
    assert page.locator(".folded.holds-lit").count() == 3  # the other stages hold theirs, folded
    assert page.get_attribute('.line[data-line="10"]', "title") == "32 in the graph"
    page.click("#details .link:has-text('cmt_b.yaml')")
    assert page.evaluate("document.activeElement.dataset.line") == "10"


def test_tabs_hold_every_file(seen: Any, graph: Graph) -> None:
    page = seen.page
    files = {n.place.file for n in (*graph.nodes, *graph.scopes) if n.place}
    assert set(page.eval_on_selector_all("[role=tab]", "all => all.map(e => e.title)")) == files
    page.focus("[role=tab][aria-selected=true]")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("[role=tab][aria-selected=true]") == "conv_stem.yaml"
    assert page.inner_text(".line[data-line='1'] code") == "block: conv_stem"


def test_the_keyboard_reaches_everything(seen: Any) -> None:
    page = seen.page
    focused = "document.activeElement.id || document.activeElement.textContent.trim()"
    stops = []
    for _ in range(22):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(focused))
    assert stops[0] == "Skip to the graph"
    assert stops[1:4] == ["query", "theme", "metric"]
    for stop in ("thing-0", "Model", "Operators", "out", "fit", "in", "details", "tab-0"):
        assert stop in stops
    page.focus("#thing-0")
    assert page.evaluate("getComputedStyle(document.querySelector('#thing-0 .frame')).strokeWidth") == "4px"
    for key, path in [
        ("ArrowDown", "stem"), ("ArrowRight", "stem"), ("ArrowRight", "stem.conv1"), ("ArrowDown", "stem.act1"), ("End", "head"),
        ("Home", "input"), ("ArrowDown", "stem"), ("ArrowLeft", "stem"), ("ArrowDown", "stages.0"),
        ("Enter", "stages.0"), ("ArrowDown", "stages.0.embed"), ("ArrowLeft", "stages.0"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert seen.path() == path, key
        assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    assert seen.item("stem").get_attribute("aria-expanded") == "false"
    assert seen.item("stages.0").get_attribute("aria-expanded") == "true"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"


def test_zoom_and_pan_by_wheel_keys_buttons_drag_and_pinch(seen: Any) -> None:
    page = seen.page

    def where() -> tuple[float, float, float]:
        found = page.evaluate("(m => [m.a, m.e, m.f])(document.querySelector('#graph > g').getCTM())")
        return found[0], found[1], found[2]

    start = where()
    page.mouse.move(400, 400)
    page.mouse.wheel(0, -400)
    page.wait_for_function("a => document.querySelector('#graph > g').getCTM().a > a", arg=start[0])
    page.click("#fit")
    page.click("#out")
    assert where()[0] < start[0]
    page.focus("#thing-0")
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert where()[0] > start[0]
    page.keyboard.press("0")
    before = where()
    page.keyboard.press("Shift+ArrowDown")
    assert where()[2] == before[2] - 80
    page.mouse.move(60, 400)
    page.mouse.down()
    page.mouse.move(160, 440, steps=4)
    page.mouse.up()
    assert where()[1] == before[1] + 100
    before = where()
    page.evaluate(
        """() => {
      const graph = document.getElementById('graph');
      const send = (name, id, x, y) => graph.dispatchEvent(new PointerEvent(name, {
        pointerId: id, clientX: x, clientY: y, pointerType: 'touch', bubbles: true }));
      send('pointerdown', 11, 300, 400); send('pointerdown', 12, 400, 400);
      send('pointermove', 12, 500, 400); send('pointerup', 11, 300, 400); send('pointerup', 12, 500, 400);
    }"""
    )
    assert where()[0] == pytest.approx(2 * before[0])


def test_the_bar_of_stages_has_the_figures_of_cost_and_goes_there(seen: Any, graph: Graph) -> None:
    page = seen.page
    total = cost(graph)
    for part in page.locator(".part").all():
        macs = total.below(part.get_attribute("data-path")).macs
        assert f"{macs:,} MACs, {100 * macs / total.total.macs:.1f} %" in part.get_attribute("aria-label")
    page.click(".part[data-path='stages.3']")
    assert seen.path() == "stages.3"
    page.select_option("#metric", "params")
    stage = total.below("stages.3").trainable
    assert f"{stage:,} parameters" in page.get_attribute(".part[data-path='stages.3']", "aria-label")


@pytest.mark.parametrize("metric", ["macs", "params", "activations"])
def test_heat_is_relative_to_the_costliest_box(seen: Any, metric: str) -> None:
    page = seen.page
    page.select_option("#metric", metric)
    heats = page.eval_on_selector_all(
        ".heated", "all => all.map(e => [e.id, Number(e.style.getPropertyValue('--heat'))])"
    )
    assert len(heats) == 7 and max(h for _, h in heats) == 1
    assert page.locator("#legend .ramp").is_visible()
    hottest = next(i for i, h in heats if h == 1)
    colour = "i => getComputedStyle(document.querySelector('#' + i + ' > .frame')).fill"
    assert page.evaluate(colour, hottest) != page.evaluate(colour, "thing-0")


def test_every_figure_is_that_of_cmt_cost(see: Any, pages: dict[str, str]) -> None:
    """Walk over every box of cmt_nano with the keyboard, and compare what the details say."""
    seen = see(pages["cmt_nano"])
    graph = build(load("cmt_nano"))
    total = cost(graph)
    page = seen.page
    page.click("button:text-is('Operators')")
    page.focus("#thing-0")
    page.keyboard.press("Home")
    many = page.locator("[role=treeitem]").count()
    paths: list[str] = []
    for _ in range(many):
        path, shown = page.evaluate(
            """() => [document.querySelector('#details h2').textContent, Object.fromEntries(
          [...document.querySelectorAll('[data-figure]')].map(e => [e.dataset.figure,
            (e.parentNode.querySelector('[data-each]') ?? e).textContent]))]"""
        )
        tally = total.below(path)
        wanted = (tally.trainable, tally.statistics, tally.macs, tally.activations)
        if paths or path == "input":
            assert tuple(shown.values()) == tuple(f"{n:,}" for n in wanted), path
        paths.append(path)
        page.keyboard.press("ArrowDown")
    scopes = {s.path for s in graph.scopes}
    assert len(set(paths)) == many
    assert {p for p in paths if p not in scopes} <= set(graph.by_path)
    assert all(set(above(p)) & scopes <= set(paths) for p in paths)
    assert seen.quiet()
