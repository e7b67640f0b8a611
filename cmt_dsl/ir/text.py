"""A graph as text that people read and tests compare."""

from __future__ import annotations

from math import prod
from typing import Any, cast

from cmt_dsl.ir.graph import Graph, Node, signature


def text(graph: Graph, below: str = "") -> str:
    """One line a node: `path = kind(attributes)(inputs) -> type  # parameters: count`.

    With `below`, the nodes of that scope alone, their paths shortened by it.
    """
    prefix = f"{below}." if below else ""
    nodes = [node for node in graph.nodes if node.path.startswith(prefix)]
    return "".join(f"{line(node, prefix)}\n" for node in nodes)


def line(node: Node, prefix: str = "") -> str:
    """The line of one node."""
    kind, attributes = signature(node.op)
    shown = ", ".join(f"{name}={value}" for name, value in attributes)
    inputs = ", ".join(path.removeprefix(prefix) for path in node.inputs)
    params = " ".join(f"{p.name or 'value'}{list(p.shape)}" for p in node.params)
    count = f"  # {params}: {sum(prod(p.shape) for p in node.params):,}" if node.params else ""
    return f"{node.path.removeprefix(prefix)} = {kind}({shown})({inputs}) -> {node.type}{count}"


def spelled(value: Any) -> str:
    """An attribute as people write it in a spec: `[1, 7]`, `true`, `erf`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(spelled, cast("list[Any]", value))) + "]"
    return "null" if value is None else str(value)
