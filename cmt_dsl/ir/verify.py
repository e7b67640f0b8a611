"""The invariants of a graph; expansion, passes and readers of foreign graphs end with this check."""

from __future__ import annotations

from collections.abc import Iterator

from cmt_dsl.errors import CmtError, Problem, SpecError
from cmt_dsl.ir.graph import Graph, Node


def verify(graph: Graph) -> Graph:
    """The graph itself; raises `SpecError` of CMT-301 (a defect) and CMT-138 (a node that feeds nothing).

    Paths are unique, inputs come first, types and parameters are what the operators infer, parameter
    paths are unique, scopes and stages name nodes, and every node leads to the output.
    """
    problems = [*_broken(graph)] or [*_dead(graph)]
    if problems:
        raise SpecError(problems)
    return graph


def _broken(graph: Graph) -> Iterator[Problem]:
    seen: dict[str, Node] = {}
    for node in graph.nodes:
        if node.path in seen:
            yield _defect(node, "the path stands twice")
        missing = [path for path in node.inputs if path not in seen]
        if missing:
            yield _defect(node, f"reads {', '.join(missing)}, which does not come before it")
        else:
            yield from _types(node, seen)
        seen[node.path] = node
    paths = [info.path for info in graph.params]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        yield Problem("CMT-301", "two parameters have this path", path=twice)
    ends = [scope.output for scope in graph.scopes] + list(graph.stages)
    for path in {*ends, *(p for scope in graph.scopes for _, p in scope.inputs)} - seen.keys():
        yield Problem("CMT-301", "a scope names a node that is not there", path=path)


def _types(node: Node, seen: dict[str, Node]) -> Iterator[Problem]:
    types = [seen[path].type for path in node.inputs]
    try:
        inferred, params = node.op.infer(*types), node.op.params(*types)
    except CmtError as error:
        yield _defect(node, error.problems[0].message)
        return
    if inferred != node.type:
        yield _defect(node, f"is of type {node.type}, but {node.op.kind} gives {inferred}")
    if params != node.params:
        yield _defect(node, "has other parameters than its operator asks for")


def _dead(graph: Graph) -> Iterator[Problem]:
    live = {graph.output.path}
    for node in reversed(graph.nodes):
        if node.path in live:
            live.update(node.inputs)
    for node in graph.nodes:
        if node.path not in live and node is not graph.input:
            hint = "remove it, or read it"
            yield Problem("CMT-138", "nothing reads this node", node.place, node.path, hint)


def _defect(node: Node, message: str) -> Problem:
    return Problem("CMT-301", message, node.place, node.path)
