"""Golden files: compared, or rewritten with CMT_UPDATE_GOLDEN=1 (then read the diff)."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent
UPDATE = os.environ.get("CMT_UPDATE_GOLDEN") == "1"


def compare(name: str, text: str) -> None:
    """`text` against the golden file `name` below tests/golden."""
    file = FOLDER / name
    if UPDATE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"no {file}: run with CMT_UPDATE_GOLDEN=1"
    assert text == file.read_text(encoding="utf-8"), (
        f"{file} differs: run with CMT_UPDATE_GOLDEN=1, then git diff"
    )
