"""The import graph of files, read from their text: `python -m tests.architecture.imports` prints its figures.

An import inside a function, or for type checkers alone, is an arrow too.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import networkx as nx

from tests.tiny import ROOT

PACKAGES = ("cmt_dsl", "runtime")


@dataclass
class Imports:
    """Files by module name, arrows between them, and what is counted on the way."""

    files: dict[str, Path]
    arrows: nx.DiGraph = field(default_factory=nx.DiGraph)
    inside_functions: Counter[str] = field(default_factory=Counter)
    """Import statements in functions, by room."""
    own_inside_functions: Counter[str] = field(default_factory=Counter)
    """Those of them that import our own modules."""
    any_in_signatures: Counter[str] = field(default_factory=Counter)
    """Parameters and results whose type says `Any`, by room."""
    lines: Counter[str] = field(default_factory=Counter)

    @property
    def circles(self) -> list[list[str]]:
        """Modules that import each other, directly or around."""
        return [sorted(c) for c in nx.strongly_connected_components(self.arrows) if len(c) > 1]


def room_of(module: str) -> str:
    """`runtime.data.stores.walk` is of the room `runtime.data`."""
    return ".".join(module.split(".")[:2])


def read(root: Path = ROOT) -> Imports:
    """The imports of both packages."""
    found = Imports(
        {_module(p.relative_to(root)): p for name in PACKAGES for p in (root / name).rglob("*.py")}
    )
    for module, file in found.files.items():
        text = file.read_text(encoding="utf-8")
        found.lines[room_of(module)] += text.count("\n")
        _walk(found, module, ast.parse(text), inside=False)
    return found


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _walk(found: Imports, module: str, node: ast.AST, *, inside: bool) -> None:
    room = room_of(module)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            given = [*child.args.posonlyargs, *child.args.args, *child.args.kwonlyargs]
            said = [*(a.annotation for a in given), child.returns]
            found.any_in_signatures[room] += sum("Any" in ast.dump(a) for a in said if a is not None)
        elif isinstance(child, (ast.Import, ast.ImportFrom)):
            targets = set(_targets(found.files, child)) - {module}
            found.arrows.add_edges_from((module, target) for target in targets)
            found.inside_functions[room] += inside
            found.own_inside_functions[room] += inside and bool(targets)
        _walk(found, module, child, inside=inside or isinstance(child, (ast.FunctionDef, ast.Lambda)))


def _targets(files: dict[str, Path], node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (a.name for a in node.names if a.name in files)
    else:
        below = {f"{node.module}.{a.name}" for a in node.names}
        yield from below & files.keys()
        if node.module in files and not below <= files.keys():
            yield node.module


def main() -> None:
    found = read()
    print(f"circles: {found.circles or 'none'}")
    for what, counts in (
        ("imports inside functions", found.inside_functions),
        ("of these, of our own modules", found.own_inside_functions),
        ("Any in signatures", found.any_in_signatures),
        ("lines", found.lines),
    ):
        print(f"{what}: {counts.total():,}")
        print("   " + ", ".join(f"{room} {count:,}" for room, count in sorted(counts.items()) if count))


if __name__ == "__main__":
    main()
