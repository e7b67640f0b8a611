"""`cmt predict --html FILE`: images with their likeliest classes and heat maps, as one self-contained page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from cmt_dsl.draw.page.shell import page, program, template
from runtime.infer.predict import Predicted, Prediction
from runtime.report.overlay import enlarged, overlay
from runtime.report.page import own as report_file
from runtime.report.thumbnail import data_url
from runtime.sharing import names_of, without_folders

LONGEST = 288  # pixels of a picture in the page
MAPS = 3  # classes of which a map is shown


def predict_page(title: str, facts: dict[str, Any], found: Predicted) -> str:
    """The page as HTML text. `facts` are shown under the title, in order."""
    css = "\n".join(
        [template("theme.css"), report_file("report.css"), report_file("tables.css"), own("predict.css")]
    )
    js = program(template("theme.js"), report_file("elements.js"), own("predict.js"))
    given = [*(each.image.name for each in found.predictions), *(name for name, _ in found.bad)]
    called = dict(zip(given, names_of(given), strict=True))
    data = {
        "title": title,
        "facts": [f"{key} {value}" for key, value in facts.items()],
        "no_heat": found.no_heat,
        "bad": [[called[name], without_folders(reason)] for name, reason in found.bad],
        "images": [_shown(each, called[each.image.name]) for each in found.predictions],
    }
    return page(f"{title} · CMT-DSL predictions", css, js, own("predict.html"), data)


def _shown(one: Prediction, name: str) -> dict[str, Any]:
    seen = enlarged(one.image.seen)
    maps = [(g.heat, g.bias) for g in one.guesses[:MAPS] if g.heat is not None]
    strongest = max((float(abs(m).max()) for m, _ in maps), default=0.0)  # one scale for the maps of an image
    return {
        "name": name,
        "image": data_url(seen, LONGEST),
        "guesses": [[g.name, g.probability, g.logit] for g in one.guesses],
        "maps": [[data_url(overlay(seen, m, strongest), LONGEST), float(m.sum()), bias] for m, bias in maps],
    }


@cache
def own(name: str) -> str:
    """The text of one of this room's template files."""
    return (files("runtime.report") / "files" / name).read_text(encoding="utf-8")
