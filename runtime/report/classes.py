"""`cmt validate -o FILE.html`: how a checkpoint does on each class, as one self-contained page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from cmt_dsl.draw.page.shell import page, program, template
from runtime.report.page import own
from runtime.report.payload import confused
from runtime.sharing import without_folders

_SCRIPTS = ("elements.js", "confusion.js", "classes.js")
_FACTS = (
    "model", "fingerprint", "epoch", "weights", "images", "top1", "top5", "loss", "balanced_accuracy", "macro_f1",
    "classes_measured", "unanswered", "device",
)  # fmt: skip


def classes_page(found: Mapping[str, Any]) -> str:
    """The page as HTML text, of what `runtime.infer.validate.validate` found."""
    css = "\n".join([template("theme.css"), own("report.css"), own("tables.css")])
    js = program(template("theme.js"), *(own(name) for name in _SCRIPTS))
    confusion = np.asarray(found["confusion"], np.int64)
    rows, columns = np.nonzero(confusion)
    cells = {(t, g): int(confusion[t, g]) for t, g in zip(rows.tolist(), columns.tolist(), strict=True)}
    names = [row["class"] for row in found["per_class"]]
    checkpoint, data = (without_folders(str(found[name])) for name in ("checkpoint", "data"))
    shown = {
        "made": time.strftime("%Y-%m-%d %H:%M", time.localtime()),
        "checkpoint": checkpoint,
        "data": data,
        "notes": [str(note) for note in found["notes"]],
        "bad": len(found["bad_images"]),
        **{name: found[name] for name in _FACTS},
        "rows": found["per_class"],
        **confused(cells, confusion.sum(axis=1).tolist(), names),
    }
    return page(f"{checkpoint} · classes · CMT-DSL", css, js, own("classes.html"), shown)
