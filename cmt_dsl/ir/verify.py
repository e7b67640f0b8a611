"""The invariants of a graph; expansion, passes and readers of foreign graphs end with this check."""

from __future__ import annotations

from collections.abc import Iterator

from cmt_dsl.errors import CmtError, Problem, SpecError
from cmt_dsl.ir.graph import Graph, Node, Scope
from cmt_dsl.ir.paths import above

ROOT = ""


def verify(graph: Graph) -> Graph:
    """The graph itself; raises `SpecError` of CMT-301 (a defect) and CMT-138 (a node that feeds nothing).

    What passes can be computed and written by every lowering:

    - The first node is the image, the only one. Paths are unique, inputs come first, types and parameters are what the
      operators infer, parameter paths are unique.
    - Below the scope it lies in, a node or scope is called `name` or `name.3`, and nothing lies below a node.
    - A scope reads what it declares, and what it declares stands before it, outside; only its output leaves it.
    - Outputs have different names and are values that the whole model sees; every node leads to one of them.
    """
    problems = [*_broken(graph)] or [*_nested(graph)] or [*_dead(graph)]
    if problems:
        raise SpecError(problems)
    return graph


def _broken(graph: Graph) -> Iterator[Problem]:
    if not graph.nodes or not graph.outputs:
        yield Problem("CMT-301", "a graph has at least the image and an output", path=graph.name)
        return
    seen: dict[str, Node] = {}
    for node in graph.nodes:
        if node.path in seen:
            yield _at(node, "the path stands twice")
        if (node.op.kind == "input") != (not seen):
            yield _at(node, "the image is the first node, and no other is one")
        missing = [path for path in node.inputs if path not in seen]
        if missing:
            yield _at(node, f"reads {', '.join(missing)}, which does not come before it")
        else:
            yield from _types(node, seen)
        seen[node.path] = node
    paths = [info.path for info in graph.params]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        yield Problem("CMT-301", "two parameters have this path", path=twice)
    ends = [scope.output for scope in graph.scopes] + [path for _, path in graph.outputs]
    for path in {*ends, *(p for scope in graph.scopes for _, p in scope.inputs)} - seen.keys():
        yield Problem("CMT-301", "a scope or an output names a node that is not there", path=path)
    names = [name for name, _ in graph.outputs]
    if len(set(names)) < len(names):
        yield Problem("CMT-301", "two outputs have the same name", path=graph.name)


def _types(node: Node, seen: dict[str, Node]) -> Iterator[Problem]:
    types = [seen[path].type for path in node.inputs]
    least, most = node.op.arity
    if not least <= len(types) <= most:
        yield _at(node, f"{node.op.kind} reads {least} to {most} values, not {len(types)}")
        return
    try:
        inferred, params = node.op.infer(*types), node.op.params(*types)
    except CmtError as error:
        yield _at(node, error.problems[0].message)
        return
    if inferred != node.type:
        yield _at(node, f"is of type {node.type}, but {node.op.kind} gives {inferred}")
    if params != node.params:
        yield _at(node, "has other parameters than its operator asks for")


def _nested(graph: Graph) -> Iterator[Problem]:
    """Scopes: their names, what they read, what leaves them."""
    scopes = {scope.path: scope for scope in graph.scopes}
    if len(scopes) < len(graph.scopes):
        twice = next(s for s in graph.scopes if scopes[s.path] is not s)
        yield _at(twice, "the path of a scope stands twice")
        return
    for path in scopes.keys() & graph.by_path.keys():
        yield _at(scopes[path], "a node has this path too")
    for scope in graph.scopes:
        names = [name for name, _ in scope.inputs]
        if len(set(names)) < len(names):
            yield _at(scope, "two of its inputs have the same name")
    yield from _names(graph, scopes)
    visible = {ROOT: {graph.input.path}}
    whole = Scope(ROOT, "model", (), graph.outputs[0][1])
    yield from _inside(graph, whole, {graph.input.path}, visible)
    for name, path in graph.outputs:
        if path not in visible[ROOT]:
            message = f"the output '{name}' lies inside a scope that does not give it"
            yield Problem("CMT-301", message, path=path)


def _names(graph: Graph, scopes: dict[str, Scope]) -> Iterator[Problem]:
    for path, items in graph.children.items():
        kinds: dict[str, bool] = {}
        for item in items:
            name, *index = item.path.removeprefix(f"{path}." if path else "").split(".")
            numbered = len(index) == 1 and index[0].isdecimal()
            if index and not numbered:
                yield _at(item, f"below '{path}' it should be called NAME or NAME.NUMBER")
            elif kinds.setdefault(name, numbered) != numbered:
                yield _at(item, f"'{name}' is one thing and a numbered list in '{path}'")
    for node in graph.nodes:
        if over := [p for p in above(node.path) if p in graph.by_path]:
            yield _at(node, f"lies below the node '{over[0]}'")


def _inside(graph: Graph, scope: Scope, given: set[str], visible: dict[str, set[str]]) -> Iterator[Problem]:
    """Problems within a scope that is given the values `given`; `visible[scope]` becomes what it can give."""
    seen = set(given)
    for item in graph.children[scope.path]:
        if isinstance(item, Node):
            for path in item.inputs:
                if path not in seen:
                    yield _at(item, f"reads {path}, which '{scope.path or graph.name}' does not see here")
            seen.add(item.path)
            continue
        for name, path in item.inputs:
            if path not in seen:
                where = scope.path or graph.name
                yield _at(item, f"its input '{name}' is {path}, which '{where}' does not see here")
        yield from _inside(graph, item, {path for _, path in item.inputs}, visible)
        if item.output not in visible[item.path]:
            yield _at(item, f"its output is {item.output}, which does not reach its end")
        seen.add(item.output)
    visible[scope.path] = seen


def _dead(graph: Graph) -> Iterator[Problem]:
    live = {node.path for node in graph.needed([path for _, path in graph.outputs])}
    for node in graph.nodes:
        if node.path not in live:
            hint = "remove it, or read it"
            yield Problem("CMT-138", "nothing reads this node", node.place, node.path, hint)


def _at(item: Node | Scope, message: str) -> Problem:
    return Problem("CMT-301", message, item.place, item.path)
