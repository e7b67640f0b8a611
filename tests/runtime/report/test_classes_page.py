"""The page of `cmt validate -o FILE.html` in a real browser."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from runtime.infer.per_class import as_csv, per_class, summary
from runtime.report.classes import classes_page
from tests.runtime.report.made import EVIL

CONFUSION = np.array([[8, 2, 0, 0], [1, 4, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
NAMES = ("cat", "class 10", EVIL, "class 2")


def found(confusion: np.ndarray = CONFUSION, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """What `validate` gives, of a matrix."""
    figures = per_class(confusion, names)
    return {
        "checkpoint": "/home/me/secret/r/last.safetensors", "model": "cmt_nano", "fingerprint": "0123456789abcdef",
        "data": "/home/me/pets", "device": "CPU", "epoch": 3, "weights": "raw", "bad_images": [], "notes": [EVIL],
        "images": int(confusion.sum()), "top1": 13 / 16, "top5": 1.0, "loss": 0.5, "unanswered": 0,
        **summary(figures, 0), "confusion": confusion.tolist(), "per_class": [each.json() for each in figures],
    }  # fmt: skip


def column(page: Any, number: int) -> list[str]:
    return [text.split("\t")[number] for text in page.locator("#classes tbody tr").all_inner_texts()]


def test_classes_are_sorted_by_what_is_clicked_and_unknown_figures_stay_last(see: Any) -> None:
    seen = see(classes_page(found()))
    page = seen.page
    assert column(page, 4) == ["80.00 %", "80.00 %", "100.00 %", "–"]  # the worst recall first
    assert "/home/me" not in page.content() and page.inner_text("#title") == "…/last.safetensors"
    page.click("#classes th >> text=images")
    assert column(page, 2) == ["0", "1", "5", "10"]
    page.click("#classes th >> text=images")
    assert column(page, 2) == ["10", "5", "1", "0"]
    assert page.get_attribute("#classes th:has-text('images')", "aria-sort") == "descending"
    page.focus("#classes .sort >> nth=0")
    page.keyboard.press("Enter")
    names = column(page, 0)
    assert names.index("class 2") < names.index("class 10")  # by number
    page.click("#classes th >> text=precision")
    assert column(page, 5)[-1] == "–"
    assert seen.quiet()


def test_the_page_and_the_csv_say_the_same(see: Any) -> None:
    names = ("cat", "dog", "fox", "owl")
    seen = see(classes_page(found(names=names)))
    rows = list(csv.DictReader(io.StringIO(as_csv(per_class(CONFUSION, names), CONFUSION))))
    cells = seen.page.eval_on_selector_all(
        ".matrix tbody tr",
        "rows => rows.map(row => [...row.querySelectorAll('td')].slice(0, 4).map(c => c.textContent))",
    )
    assert [[int(n or 0) for n in row] for row in cells] == [
        [int(row[f"as {n}"]) for n in names] for row in rows
    ]
    whole = seen.page.inner_text("#whole")
    mean = np.mean([float(row["recall"]) for row in rows if row["recall"]])
    assert f"Balanced accuracy\t{mean:.2%}".replace("%", " %") in whole and "3 of 4" in whole
    assert seen.quiet()


def test_a_thousand_classes_stay_a_page(see: Any) -> None:
    confusion = np.eye(1000, dtype=np.int64) * 3
    confusion[7, 9] = 5
    seen = see(classes_page(found(confusion, tuple(f"n{i:08}" for i in range(1000)))))
    assert seen.page.locator("#classes tbody tr").count() == 1000
    assert seen.page.locator("#confusion tbody tr >> nth=0").inner_text() == "n00000007\tn00000009\t5 of 8"
    assert column(seen.page, 0)[0] == "n00000007"
    assert seen.quiet()
