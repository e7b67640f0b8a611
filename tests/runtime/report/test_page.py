"""The report page in a real browser: pointer, keyboard, paper, a phone, and texts that mean harm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime.infer.backend import backend
from runtime.report.judge import predictions_of
from runtime.report.page import report_page
from runtime.report.predictions import Predictions, Shown, read_predictions
from runtime.run.record import read_run
from tests.runtime.report.made import EVIL, Source, complete, epoch, run_of, validated

DOT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def page_of_two(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("two")
    folders = [complete(folder / "first", 4), complete(folder / "second", 6)]
    predictions_of(folders[0], "digits", by=backend("numpy"))
    names = [f.name for f in folders]
    return report_page([read_run(f) for f in folders], names, [read_predictions(f) for f in folders])


def test_values_are_read_off_by_pointer_and_keyboard(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two)
    page = seen.page
    plot = page.locator("svg.plot").first
    assert page.locator("svg.plot").count() == 4
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 16, box["y"] + 80)
    assert page.inner_text(".tip >> nth=0").split("\n")[0] == "epoch 6"
    assert "0.33333" in page.inner_text(".tip >> nth=0")
    page.mouse.move(0, 0)
    assert page.is_hidden(".tip >> nth=0")
    plot.focus()
    for key, number in [("Home", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 1), ("End", 6)]:
        page.keyboard.press(key)
        assert plot.get_attribute("aria-valuenow") == str(number)
    page.keyboard.press("Home")
    assert plot.get_attribute("aria-valuetext").startswith(
        "epoch 1: first train 2, first val 1.5, second train 2"
    )
    page.keyboard.press("Escape")
    assert page.is_hidden(".tip >> nth=0")
    assert seen.quiet()


def test_the_values_below_a_chart_are_exact(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two)
    seen.page.click("summary >> nth=0")
    seen.page.wait_for_selector(".numbers")
    rows = seen.page.eval_on_selector_all(
        ".numbers tr", "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert rows[0] == ["epoch", "first train_loss", "first val_loss", "second train_loss", "second val_loss"]
    assert [r[1] for r in rows[1:]] == ["2", "1", "0.6666666666666666", "0.5", "–", "–"]
    assert seen.quiet()


def test_the_legend_hides_a_run(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two)
    lines = "svg.plot >> nth=0 >> path.line"
    assert seen.page.locator(lines).count() == 4
    seen.page.focus("#legend button >> nth=1")
    seen.page.keyboard.press("Space")
    assert seen.page.locator(lines).count() == 2
    assert seen.page.get_attribute("#legend button >> nth=1", "aria-pressed") == "false"
    seen.page.click("#legend button >> nth=0")
    assert "No curve is shown" in seen.page.text_content("svg.plot >> nth=0")
    assert seen.quiet()


def test_the_log_scale_keeps_the_order(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two)
    places = "all => all.map(e => Number(e.getAttribute('cy')))"
    before = seen.page.eval_on_selector_all("svg.plot >> nth=0 >> circle.dot", places)
    seen.page.click(".switch >> nth=0")
    after = seen.page.eval_on_selector_all("svg.plot >> nth=0 >> circle.dot", places)
    order = sorted(range(len(before)), key=lambda i: (before[i], i))
    assert after != before and order == sorted(range(len(after)), key=lambda i: (round(after[i], 6), i))
    assert seen.quiet()


def test_differences_of_settings_are_marked(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two)
    keys = "#settings tbody tr"
    assert set(seen.page.locator(keys).all_inner_texts()) >= {"≠train.epochs\t4\t6"}
    assert seen.page.locator(keys).count() == seen.page.locator("#settings .differs").count()
    seen.page.uncheck("#only")
    assert seen.page.locator(keys).count() > 40
    assert seen.page.locator("#settings .differs").count() < 5
    assert seen.quiet()


def test_the_matrix_on_the_page_adds_up(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two)
    rows = seen.page.eval_on_selector_all(
        ".matrix tbody tr", "rows => rows.map(row => [...row.querySelectorAll('td')].map(c => c.textContent))"
    )
    assert [sum(int(n or 0) for n in row[:10]) for row in rows] == [int(row[10]) for row in rows]
    assert sum(int(row[10]) for row in rows) == 360
    assert seen.page.locator(".card img").count() == 24 + 16
    assert all(
        seen.page.eval_on_selector_all(".card img", "all => all.map(i => i.complete && i.naturalWidth > 0)")
    )
    tab = seen.page.locator("[role=tab]")
    tab.first.focus()
    seen.page.keyboard.press("ArrowRight")
    assert tab.nth(1).get_attribute("aria-selected") == "true"
    assert seen.page.inner_text("pre.command") == "cmt report second --data digits -o report.html"
    assert seen.quiet()


def test_many_classes_give_pairs_instead_of_a_matrix(see: Any, tmp_path: Path) -> None:
    classes = tuple(f"class {i}" for i in range(60))
    rows = [(i % 60, (i + i // 60) % 60, 0.9, 0.1) for i in range(180)]
    facts = {
        "top1": 1 / 3,
        "checkpoint": "best.safetensors",
        "epoch": 3,
        "weights": "raw",
        "data": "d",
        "backend": "numpy",
    }
    found = Predictions(facts, classes, tuple(rows), ())
    seen = see(report_page([read_run(complete(tmp_path / "r"))], ["r"], [found]))
    tables = seen.page.locator("#predictions tbody")
    assert tables.count() == 2 and tables.first.locator("tr").count() == 30
    assert tables.first.locator("tr >> nth=0").inner_text() == "class 0\tclass 1\t1 of 3"
    assert tables.nth(1).locator("tr >> nth=0").inner_text() == "class 0\t33.3 %\t1 of 3"
    assert seen.quiet()


def test_texts_that_mean_harm_do_nothing(see: Any, tmp_path: Path) -> None:
    classes = (EVIL, *Source.classes[1:])
    log = run_of(tmp_path / "r", classes=classes, model=EVIL, source=EVIL)
    epoch(log, 1, **validated(1))
    log.write("bad_image", step=1, file=EVIL, reason=EVIL)
    log.write("failed", step=2, reason=EVIL)
    shown = Shown(0, "hardest", EVIL, ((0, 0.9),), DOT)
    facts = dict.fromkeys(("checkpoint", "weights", "data", "backend"), EVIL) | {"top1": 0.5, "epoch": 1}
    found = Predictions(facts, classes, ((1, 0, 0.9, 0.1),), (shown,))
    run = read_run(tmp_path / "r")
    run.meta["recipe"]["doc"] = run.meta["command"] = run.meta["machine"] = EVIL
    run.meta["recipe"][EVIL] = {EVIL: EVIL}
    html = report_page([run, run], [EVIL, EVIL + "2"], [found, None])
    seen = see(html)
    assert seen.page.locator("main script, main img:not([src^='data:'])").count() == 0
    assert seen.page.title().startswith(EVIL[:20])
    for place in ("#legend", "#results", "#settings", "#predictions", "#history"):
        assert "<script>alert(1)</script>" in seen.page.text_content(place), place
    seen.page.click("[role=tab] >> nth=1")
    assert "'\\''" in seen.page.inner_text("pre.command")  # the run's name, quoted for a shell
    assert set(re.findall(r"https?://[^\s\"'<>]*", html)) == {"http://www.w3.org/2000/svg"}
    assert "innerHTML" not in html and " style=" not in html
    assert seen.quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_sideways_scrolling(see: Any, page_of_two: str, scheme: str) -> None:
    seen = see(page_of_two, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    small = "all => all.filter(e => e.getBoundingClientRect().height < 32).map(e => e.outerHTML)"
    assert seen.page.eval_on_selector_all("button", small) == []
    assert seen.quiet()


def test_paper_gets_curves_and_tables_without_controls(see: Any, page_of_two: str) -> None:
    seen = see(page_of_two, color_scheme="dark")
    page = seen.page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.eval_on_selector("body", "e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        page.is_hidden("#theme") and page.is_hidden(".switch >> nth=0") and page.is_hidden("[role=tablist]")
    )
    assert page.locator("path.line").count() >= 10 and page.is_visible(".matrix")
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert seen.quiet()


def test_a_run_without_an_epoch_says_so(see: Any, tmp_path: Path) -> None:
    run_of(tmp_path / "r")
    seen = see(report_page([read_run(tmp_path / "r")], ["r"], [None]))
    assert "No epoch is complete yet" in seen.page.inner_text("#curves")
    assert seen.page.inner_text("pre.command").endswith("--data digits -o report.html")
    assert seen.quiet()


def test_template_files_are_small() -> None:
    rooms = Path(__file__).resolve().parents[3] / "runtime"
    files = [*(rooms / "report/files").iterdir()]
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 260 and max(map(len, lines)) <= 110, file.name
