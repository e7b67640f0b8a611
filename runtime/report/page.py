"""`cmt report -o FILE.html`: runs beside each other as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from cmt_dsl.draw.page.shell import page, program, template
from runtime.report.payload import payload
from runtime.report.predictions import Predictions
from runtime.run.record import Record

_SCRIPTS = ("elements.js", "scale.js", "chart.js", "tables.js", "confusion.js", "predictions.js", "report.js")


def report_page(runs: Sequence[Record], names: Sequence[str], predicted: Sequence[Predictions | None]) -> str:
    """The page as HTML text; `predicted` has None for a run whose predictions nobody has asked for."""
    css = "\n".join([template("theme.css"), own("report.css"), own("tables.css")])
    js = program(template("theme.js"), *(own(name) for name in _SCRIPTS))
    title = " · ".join([*names[:3], *(["…"] if len(names) > 3 else [])])
    return page(f"{title} · CMT-DSL run report", css, js, own("report.html"), payload(runs, names, predicted))


@cache
def own(name: str) -> str:
    """The text of one of this room's template files."""
    return (files("runtime.report") / "files" / name).read_text(encoding="utf-8")
