"""No import circle between files, not in a function and not for type checkers; layers are import-linter's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.imports import Imports, read, room_of
from tests.tiny import ROOT


@pytest.fixture(scope="module")
def imports() -> Imports:
    return read()


def test_no_file_imports_itself_around_a_corner(imports: Imports) -> None:
    assert imports.circles == []


def test_every_room_of_the_runtime_is_in_its_readme(imports: Imports) -> None:
    text = (ROOT / "runtime/README.md").read_text(encoding="utf-8")
    for module, file in imports.files.items():
        if not module.startswith("runtime.") or file.name in ("__init__.py", "__main__.py"):
            continue
        room = room_of(module).removeprefix("runtime.")
        line = next((line for line in text.splitlines() if line.startswith(f"| `{room}/`")), text)
        said = f"`{file.name}`" in line or f"`{file.parent.name}/`" in line
        assert said or room == "cli", f"{module} is not in runtime/README.md"


def test_a_circle_would_be_seen(tmp_path: Path) -> None:
    """Also one that only functions and type checkers go around."""
    room = tmp_path / "runtime" / "a"
    room.mkdir(parents=True)
    (tmp_path / "cmt_dsl").mkdir()
    (room / "one.py").write_text("from runtime.a.two import x\n")
    (room / "two.py").write_text("def f():\n    import runtime.a.three\n")
    (room / "three.py").write_text("if TYPE_CHECKING:\n    from runtime.a import one\n")
    found = read(tmp_path)
    assert found.circles == [["runtime.a.one", "runtime.a.three", "runtime.a.two"]]
    assert found.own_inside_functions == {"runtime.a": 1}
