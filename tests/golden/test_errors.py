"""One readable message per error code: `errors/CMT-NNN.yaml` is the bad spec, `.txt` what the user reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmt_dsl import CmtError, build, load, unread
from cmt_dsl.errors import CODES, WARNINGS
from tests.golden.files import compare

FOLDER = Path(__file__).parent / "errors"
SPECS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
WARNED = sorted(path.stem for path in (FOLDER.parent / "warnings").glob("*.yaml"))
NOT_FROM_A_FILE = {
    "CMT-102": "the file would have a megabyte; see tests/spec/test_tree.py",
    "CMT-151": "about what is typed, not files; see tests/property/test_edits.py",
    "CMT-301": "says nothing itself: what follows from another problem",
    "CMT-302": "about changes of a graph; see tests/property/test_surgery.py",
    "CMT-303": "about graphs as text; see tests/ir/test_text.py",
    "CMT-304": "about passes; see tests/passes/test_run.py",
    "CMT-309": "about exported forms; see tests/lower/test_onnx.py",
    "CMT-402": "about weights, not specs; see tests/lower/test_weights.py",
    "CMT-410": "about drawings, not specs; see tests/draw/test_scene.py",
    "CMT-411": "about Graphviz; see tests/draw/test_formats.py",
    "CMT-412": "about Graphviz; see tests/draw/test_formats.py",
    "CMT-413": "about drawings; see tests/draw/test_formats.py",
    "CMT-414": "about matplotlib; see tests/cli/test_draw.py",
    "CMT-430": "about the explorer page; see tests/draw/page/test_payload.py",
    "CMT-431": "about the explorer page; see tests/draw/page/test_payload.py",
    "CMT-404": "about paths asked for, not specs; see tests/lower/test_source.py",
    "CMT-403": "about images, not specs; see tests/lower/test_numpy.py",
}


@pytest.mark.parametrize("code", SPECS)
def test_message(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(CmtError) as caught:
        build(load(f"{code}.yaml"))
    assert code in {problem.code for problem in caught.value.problems}
    assert all(problem.place for problem in caught.value.problems)
    compare(f"errors/{code}.txt", f"{caught.value}\n")


def test_every_code_has_a_message() -> None:
    assert set(SPECS) | set(NOT_FROM_A_FILE) | set(WARNED) == set(CODES)
    assert not set(SPECS) & set(NOT_FROM_A_FILE) and set(WARNED) == WARNINGS


@pytest.mark.parametrize("code", WARNED)
def test_warning(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sound file says in vain: the model builds, and is told."""
    monkeypatch.chdir(FOLDER.parent / "warnings")
    model = load(f"{code}.yaml")
    build(model)
    found = unread(model)
    assert {problem.code for problem in found} == {code}
    assert all(problem.place and problem.severity == "warning" for problem in found)
    compare(f"warnings/{code}.txt", "".join(f"{problem}\n" for problem in found))


@pytest.mark.parametrize("code", SPECS)
def test_places_point_at_the_words_they_speak_of(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place is inside its file's text, on something that is not blank."""
    monkeypatch.chdir(FOLDER)
    with pytest.raises(CmtError) as caught:
        build(load(f"{code}.yaml"))
    for problem in caught.value.problems:
        assert problem.place is not None
        file = Path(problem.place.file)
        text = file.read_bytes() if file.is_file() else b""
        lines = text.decode("utf-8", "replace").split("\n")
        assert problem.place.line <= len(lines)
        assert problem.place.column <= len(lines[problem.place.line - 1]) + 1
