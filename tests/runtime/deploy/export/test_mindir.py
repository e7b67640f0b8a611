"""MindIR by MindSpore's exporter, read back by MindSpore."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cmt import cmt

pytestmark = pytest.mark.mindspore


def test_mindir(tmp_path: Path, pico: Path) -> None:
    out = tmp_path / "m.mindir"
    done = cmt("export", pico, "--format", "mindir", "-o", out, "--batch", "3", "--json")
    assert done.code == 0, done.err + done.out
    assert done.json["by"] == "mindspore" and done.json["difference"] < 1e-5 and done.json["batch"] == 3
    assert out.stat().st_size == done.json["bytes"] and out.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["m.mindir"]
