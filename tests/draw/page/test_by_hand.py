"""The explorer page by keyboard, wheel and touch; its bar, colours and figures against `cmt cost`."""

from __future__ import annotations

from typing import Any

import pytest

from cmt_dsl import build, cost, load
from cmt_dsl.ir import Graph, above


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
