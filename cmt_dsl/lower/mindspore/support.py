"""The hand-written cells that generated source carries with it."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def _classes() -> dict[str, str]:
    """Source text of each class under `cells/`; the files are not imported."""
    found: dict[str, str] = {}
    for file in sorted((Path(__file__).parent / "cells").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        found |= {node.name: ast.get_source_segment(text, node) or "" for node in nodes}
    return found


COMPILED = """
try:  # C++ for this processor where it can be compiled; elsewhere MindSpore's own operators do the same
    from cmt_dsl.lower.mindspore.kernels import kernel
except ImportError:
    kernel = {}.get
"""
"""Where a cell gets its kernel from, or None: the module runs without this project, too."""


def needed(names: tuple[str, ...]) -> list[str]:
    """The named classes and those they use, in the order of the files."""
    classes, found, waiting = _classes(), set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            tree = ast.parse(classes[name])
            waiting += [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in classes]
    return [name for name in classes if name in found]


def with_support(head: str, names: tuple[str, ...], body: str) -> str:
    """A whole module: head, imports, the support classes in use, the generated classes."""
    classes = [_classes()[name] + "\n" for name in needed(names)]
    text = "\n\n".join([*classes, body])
    used = [name for name in ("Parameter", "Tensor", "nn", "ops") if name in _words(text)]
    imports = f"\nimport mindspore as ms\nfrom mindspore import {', '.join(used)}\n"
    if "kernel" in _called(text):
        imports += COMPILED
    return f"{head}{imports}\n\n{text}"


def _words(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _called(text: str) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {func.id for func in calls if isinstance(func, ast.Name)}
