"""Small files, documented names, a closed list of error codes, specs that are data alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cmt_dsl.errors import CODES
from tests.tiny import ROOT

COMPILER = sorted((ROOT / "cmt_dsl").rglob("*.py"))
RUNTIME = sorted((ROOT / "runtime").rglob("*.py"))
LONG: dict[str, str] = {}
"""Files that may have more lines, with the reason."""
MEANINGS = {"infer", "params", "macs", "numpy", "mindspore", "onnx", "samples"}
"""Methods of operators: documented once, in ir/op.py."""


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", [*COMPILER, *RUNTIME], ids=shown)
def test_files_are_small(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= 260 or shown(file) in LONG, f"{shown(file)} has {lines} lines"


@pytest.mark.parametrize("file", COMPILER, ids=shown)
def test_public_names_are_documented(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if not text.strip():
        return
    tree = ast.parse(text)
    is_op = file.parent.name == "ops" and file.name != "__init__.py"
    if not is_op:  # an operator's file is its class
        assert ast.get_docstring(tree), f"{shown(file)} says nothing"
    missing = [
        name
        for name, node in public(tree)
        if not ast.get_docstring(node) and not (is_op and name.split(".")[-1] in MEANINGS)
    ]
    if file.parent.name == "cells":  # generated source carries these: Cell methods are MindSpore's
        missing = [name for name in missing if name.split(".")[-1] not in ("construct", "bprop")]
    assert not missing, f"{shown(file)}: {missing}"


Named = ast.ClassDef | ast.FunctionDef


def public(tree: ast.Module) -> list[tuple[str, Named]]:
    found: list[tuple[str, Named]] = []
    for node in tree.body:
        if not isinstance(node, Named) or node.name.startswith("_"):
            continue
        found.append((node.name, node))
        below = node.body if isinstance(node, ast.ClassDef) else []
        found += [
            (f"{node.name}.{n.name}", n)
            for n in below
            if isinstance(n, ast.FunctionDef) and not n.name.startswith("_") and not overrides(n)
        ]
    return found


def overrides(node: ast.FunctionDef) -> bool:
    """Methods whose meaning a base class documents."""
    return node.name in ("ignore_aliases", "cell", "support", "parameter") and not any(
        isinstance(d, ast.Name) and d.id == "abstractmethod" for d in node.decorator_list
    )


def codes_in(files: list[Path]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in files:
        for code in re.findall(r"CMT-\d{3}", file.read_text(encoding="utf-8")):
            found.setdefault(code, set()).add(shown(file))
    return found


def test_every_code_in_the_compiler_is_in_the_list() -> None:
    assert set(codes_in(COMPILER)) <= set(CODES)


def test_every_code_of_the_list_is_raised() -> None:
    raised = codes_in([f for f in COMPILER if shown(f) != "cmt_dsl/errors.py"])
    inside = {"CMT-301"}  # `AlreadyReported`, in errors.py itself
    assert set(CODES) - set(raised) - inside == set()


def test_codes_are_sorted_and_say_something() -> None:
    assert list(CODES) == sorted(CODES)
    assert len(set(CODES.values())) == len(CODES)


def test_runtime_codes_are_closed_too_and_apart() -> None:
    from runtime.codes import RUNTIME_CODES

    used = codes_in([f for f in RUNTIME if f.name != "codes.py"])
    assert set(RUNTIME_CODES) & set(CODES) == set()
    assert set(RUNTIME_CODES) <= set(used) <= set(RUNTIME_CODES) | set(CODES)


def test_every_code_is_looked_for_by_a_test() -> None:
    from runtime.codes import RUNTIME_CODES

    files = [f for f in (ROOT / "tests").rglob("*") if f.suffix in (".py", ".txt")]
    named = {f.stem for f in files}  # golden messages are files named by their code
    assert {*CODES, *RUNTIME_CODES} <= {*codes_in(files), *named}


def test_specs_hold_data_alone() -> None:
    others = [
        shown(f) for f in (ROOT / "specs").rglob("*") if f.is_file() and f.suffix not in (".yaml", ".md")
    ]
    assert others == ["specs/classes/imagenet.txt"]  # a list of names


def test_no_python_knows_what_a_unit_is() -> None:
    """The CMT paper's units are YAML: no string of the compiler names one."""
    units = {file.stem for file in (ROOT / "specs/blocks").glob("*.yaml")} | {"attn", "ffn"}
    for file in COMPILER:
        strings = {
            n.value
            for n in ast.walk(ast.parse(file.read_text()))
            if isinstance(n, ast.Constant) and isinstance(n.value, str)
        }
        assert not strings & units, shown(file)
