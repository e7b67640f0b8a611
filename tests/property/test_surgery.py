"""Random surgery on shipped models: what comes out is a graph that computes what it should, or a reason comes out."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmt_dsl import Graph, build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Array, Surgery, verify
from cmt_dsl.lower.mindspore.source import source
from cmt_dsl.lower.numpy import run_all
from cmt_dsl.ops import make

MODELS = ("cmt_nano", "example_attention", "example_parallel")
NEW = {
    "relu": {}, "sigmoid": {}, "identity": {}, "scale": {"by": 0.5}, "tanh": {},
}  # fmt: skip


@cache
def graph_of(name: str) -> Graph:
    return build(load(name))


def weight(path: str, shape: tuple[int, ...]) -> Array:
    """The same for a path and a shape in every graph; variances above 0."""
    rng = np.random.default_rng([len(shape), *path.encode()])
    value = rng.normal(size=shape) * (0.5 if len(shape) < 2 else 1 / np.sqrt(np.prod(shape[1:])))
    return np.abs(value) + 0.5 if path.endswith("running_var") else value


def weights(graph: Graph) -> dict[str, Array]:
    return {info.path: weight(info.path, info.shape) for info in graph.params}


def image(graph: Graph) -> Array:
    return np.random.default_rng(7).normal(size=(2, *graph.input.type.sizes))


class Wires:
    """What a change means, without scopes, types and order: operators by path, and what each reads."""

    def __init__(self, graph: Graph) -> None:
        self.made = {node.path: (node.op, list(node.inputs)) for node in graph.nodes}
        self.outputs = dict(graph.outputs)

    def instead(self, old: str, new: str) -> None:
        for path, (_, inputs) in self.made.items():
            if path != new:
                inputs[:] = [new if read == old else read for read in inputs]
        self.outputs = {name: new if path == old else path for name, path in self.outputs.items()}

    def values(self, images: Array, made: Graph, names: Mapping[str, str]) -> dict[str, Array]:
        """Values of the outputs; `names` are old paths of renamed nodes, whose weights they keep."""
        known: dict[str, Array] = {}

        def value(path: str) -> Array:
            if path not in known:
                op, inputs = self.made[path]
                node = made.by_path[path]
                given = {p.name: weight(moved_back(node.param_path(p), names), p.shape) for p in node.params}
                known[path] = images if op.kind == "input" else op.numpy(given, *map(value, inputs))
            return known[path]

        return {name: value(path) for name, path in self.outputs.items()}


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, list[tuple[str, ...]]]:
    name = draw(st.sampled_from(MODELS))
    paths = [node.path for node in graph_of(name).nodes[1:]]
    path = st.sampled_from(paths)
    step = st.one_of(
        st.tuples(st.just("cut"), path),
        st.tuples(st.just("cut"), path, path),
        st.tuples(st.just("remove"), path, st.sampled_from(["0", "1"])),
        st.tuples(st.just("insert"), path, st.sampled_from(sorted(NEW))),
        st.tuples(st.just("sum"), path, path),
        st.tuples(st.just("replace"), path, st.sampled_from(sorted(NEW))),
        st.tuples(st.just("rename"), path),
    )
    return name, draw(st.lists(step, min_size=1, max_size=3))


def carried_out(
    surgery: Surgery, wires: Wires, step: tuple[str, ...], number: int, names: dict[str, str]
) -> None:
    """The step in both; what the surgery refuses raises."""
    kind, path, *more = step
    path = next((new for new, old in names.items() if old == path), path)
    where = path.rpartition(".")[0]
    new = f"{where}.new{number}" if where else f"new{number}"
    if kind == "cut":
        paths = dict.fromkeys([path, *more])
        surgery.outputs = {p: surgery.node(p).path for p in paths}
        wires.outputs = {p: p for p in paths}
    elif kind == "remove":
        surgery.remove(path, int(more[0]))
        wires.instead(path, wires.made[path][1][int(more[0])])
        del wires.made[path]
    elif kind == "insert":
        op = make(more[0], NEW[more[0]])
        surgery.insert(new, op, [path])
        wires.instead(path, new)
        wires.made[new] = (op, [path])
    elif kind == "sum":
        op = make("add", {})
        surgery.insert(new, op, [path, more[0]])
        wires.instead(path, new)
        wires.made[new] = (op, [path, more[0]])
    elif kind == "replace":
        op = make(more[0], NEW[more[0]])
        inputs = wires.made[path][1][:1]
        surgery.put(path, op, inputs)
        wires.made[path] = (op, inputs)
    else:
        surgery.rename(path, new)
        names[new] = names.pop(path, path)
        wires.made[new] = wires.made.pop(path)
        for _, inputs in wires.made.values():
            inputs[:] = [new if read == path else read for read in inputs]
        wires.outputs = {name: new if p == path else p for name, p in wires.outputs.items()}


def test_what_comes_out_computes_what_it_should_or_a_reason_comes_out() -> None:
    ends: list[str] = []

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(changes())
    def look(change: tuple[str, list[tuple[str, ...]]]) -> None:
        ends.append(end_of(*change))

    look()
    assert ends.count("done") > 100 and len(ends) - ends.count("done") > 40, ends


def end_of(name: str, steps: list[tuple[str, ...]]) -> str:
    """`done`, or why not."""
    graph, names = graph_of(name), dict[str, str]()
    surgery, wires = Surgery(graph), Wires(graph)
    try:
        for number, step in enumerate(steps):
            carried_out(surgery, wires, step, number, names)
        made = surgery.done()
    except CmtError as error:
        (problem,) = error.problems
        assert error.code in ("CMT-302", "CMT-404") and problem.path and problem.message
        return problem.message
    assert verify(made) is made
    ast.parse(source(made))
    given = {p.path: weight(moved_back(p.path, names), p.shape) for p in made.params}
    found = run_all(made, given, image(made), [path for _, path in made.outputs])
    expected = wires.values(image(made), made, names)
    assert [n for n, _ in made.outputs] == list(expected)
    for output, path in made.outputs:
        np.testing.assert_allclose(found[path], expected[output], rtol=1e-9, atol=1e-9)
    return "done"


def moved_back(path: str, names: Mapping[str, str]) -> str:
    for new, old in names.items():
        if path == new or path.startswith(f"{new}."):
            return old + path[len(new) :]
    return path


@pytest.mark.parametrize("name", MODELS)
def test_nothing_done_is_the_same_graph(name: str) -> None:
    graph = graph_of(name)
    made = Surgery(graph).done()
    assert (
        made.nodes == graph.nodes and made.outputs == graph.outputs and made.fingerprint == graph.fingerprint
    )
    assert [(s.path, s.output) for s in made.scopes] == [(s.path, s.output) for s in graph.scopes]
