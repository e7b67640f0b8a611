"""The explorer page in a real browser: search, folding, from a node to its line and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import build, load
from cmt_dsl.draw.page import explorer
from cmt_dsl.ir import Graph

OPEN = "el => el.getAttribute('aria-expanded')"


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
    assert page.locator(".line.lit").first.is_visible()

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


TWICE = """\
model: twice
input: {channels: 3, size: 16}
classes: 2
profile: official
drop_path: 0.1
stem: {block: conv_stem, args: {width: 16}}
stages:
  - blocks:
      - {block: lpu, depth: 2}
      - {block: lpu, depth: 1}
head: {block: cmt_head, args: {width: 8, dropout: 0}}
"""


def test_lines_of_a_run_that_is_written_in_two(see: Any, tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(TWICE)
    model = load(file)
    seen = see(explorer(model, build(model)))
    page = seen.page
    assert page.get_attribute('.line[data-line="9"]', "title") == "2 in the graph"
    assert page.get_attribute('.line[data-line="10"]', "title") == "1 in the graph"
    page.click('.line[data-line="10"]')
    assert seen.path() == "stages.0.blocks.2"
    assert lines_lit(page) == [10]
    page.click(".stepper button[aria-label='Previous instance']")
    assert (seen.path(), lines_lit(page)) == ("stages.0.blocks.1", [9])
    assert seen.quiet()
