"""A graph as text that people read and tests compare, and back."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, cast

from cmt_dsl.errors import CmtError, Place
from cmt_dsl.ir.graph import Graph, Node, Scope, signature
from cmt_dsl.ir.op import Op
from cmt_dsl.ir.tensor import TensorType
from cmt_dsl.ir.verify import verify

Make = Callable[[str, dict[str, Any]], Op]
"""An operator of a kind from its attributes: `cmt_dsl.ops.make`."""


def text(graph: Graph, below: str = "") -> str:
    """One line a node: `path = kind(attributes)(inputs) -> type  # parameters: count`.

    With `below`, the nodes of that scope alone, their paths shortened by it. What only training reads is left out.
    """
    prefix = f"{below}." if below else ""
    nodes = [node for node in graph.nodes if node.path.startswith(prefix)]
    return "".join(f"{line(node, prefix)}\n" for node in nodes)


def line(node: Node, prefix: str = "", *, whole: bool = False) -> str:
    """The line of one node; `whole` with the attributes that only training reads, and without the count."""
    kind, attributes = signature(node.op)
    if whole:
        attributes = tuple((f.name, getattr(node.op, f.name)) for f in _given(node.op))
    shown = ", ".join(f"{name}={value!r}" if whole else f"{name}={value}" for name, value in attributes)
    inputs = ", ".join(path.removeprefix(prefix) for path in node.inputs)
    params = " ".join(f"{p.name or 'value'}{list(p.shape)}" for p in node.params)
    count = f"  # {params}: {sum(prod(p.shape) for p in node.params):,}" if node.params and not whole else ""
    return f"{node.path.removeprefix(prefix)} = {kind}({shown})({inputs}) -> {node.type}{count}"


def _given(op: Op) -> list[dataclasses.Field[Any]]:
    """The attributes that are not what they would be by themselves."""
    found: list[dataclasses.Field[Any]] = list(dataclasses.fields(op))  # type: ignore[arg-type]
    return [f for f in found if getattr(op, f.name) != f.default]


def whole_text(graph: Graph) -> str:
    """All of a graph, for `parsed`: its name, scopes, nodes and outputs, a line each."""
    lines = [f"graph {graph.name}"]
    for scope in graph.scopes:
        inputs = ", ".join(f"{name}={path}" for name, path in scope.inputs)
        word = "stage" if scope.stage else f"scope {scope.block}"
        lines.append(f"{word} {scope.path}({inputs}) -> {scope.output}")
    lines += [line(node, whole=True) for node in graph.nodes]
    lines += [f"output {name} = {path}" for name, path in graph.outputs]
    return "\n".join(lines) + "\n"


_GRAPH = re.compile(r"graph (\S+)")
_STAGE = re.compile(r"(?:stage|scope (\S+)) ([^\s(]+)\(([^)]*)\) -> (\S+)")
_NODE = re.compile(r"(\S+) = (\w+)\((.*)\)\(([^()]*)\) -> (\[.*\])")
_OUTPUT = re.compile(r"output (\S+) = (\S+)")


def parsed(text: str, make: Make, file: str = "graph") -> Graph:
    """The graph that `whole_text` wrote; comments begin with #. Raises CMT-303 with the line, CMT-301 for what is no graph.

    >>> from cmt_dsl.ops import make
    >>> parsed(whole_text(graph), make) == graph
    True
    """
    name, scopes, nodes, outputs = "", list[Scope](), list[Node](), list[tuple[str, str]]()
    types: dict[str, TensorType] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        content = raw.partition("#")[0].strip()
        place = Place(file, number, 1)
        if not content:
            continue
        if found := _GRAPH.fullmatch(content):
            name = found[1]
        elif found := _STAGE.fullmatch(content):
            pairs = (item.split("=", 1) for item in found[3].split(", ") if item)
            inputs = tuple((left, right) for left, right in pairs)
            scopes.append(Scope(found[2], found[1] or "stage", inputs, found[4], stage=found[1] is None))
        elif found := _OUTPUT.fullmatch(content):
            outputs.append((found[1], found[2]))
        elif found := _NODE.fullmatch(content):
            node = _node(found, make, types, place)
            types[node.path] = node.type
            nodes.append(node)
        else:
            raise CmtError("CMT-303", f"this line says nothing of a graph: {content[:60]}", place=place)
    return verify(Graph(name, tuple(nodes), tuple(scopes), tuple(outputs)))


def _node(found: re.Match[str], make: Make, types: Mapping[str, TensorType], place: Place) -> Node:
    path, kind, attributes, reads, written = found.groups()
    inputs = tuple(item for item in reads.split(", ") if item)
    if missing := [read for read in inputs if read not in types]:
        raise CmtError("CMT-303", f"'{missing[0]}' does not stand above", place=place, path=path)
    try:
        call = ast.parse(f"f({attributes})", mode="eval").body
        assert isinstance(call, ast.Call) and not call.args
        values = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        op = make(kind, values)
    except (ValueError, SyntaxError, AssertionError, KeyError) as error:
        raise CmtError("CMT-303", f"{kind}({attributes}): {error}", place=place, path=path) from None
    given = [types[read] for read in inputs]
    inferred = op.infer(*given)
    if str(inferred) != written:
        raise CmtError("CMT-303", f"gives {inferred}, not {written}", place=place, path=path)
    return Node(path, op, inputs, inferred, op.params(*given))


def spelled(value: Any) -> str:
    """An attribute as people write it in a spec: `[1, 7]`, `true`, `erf`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(spelled, cast("list[Any]", value))) + "]"
    return "null" if value is None else str(value)
