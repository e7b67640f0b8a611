"""Random valid specs build, and what is built keeps the graph's promises."""

from __future__ import annotations

import ast
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmt_dsl import build, cost, load_text, source
from cmt_dsl.cost import Tally
from cmt_dsl.draw import LEVELS, rows
from tests.tiny import PROFILES, as_yaml

SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
KINDS = ["cmt", "lpu", "irffn", "lmhsa"]


@st.composite
def stages(draw: st.DrawFn, grid: int) -> dict[str, Any]:
    """A stage on a square grid: heads divide the width, the reduction divides the grid."""
    heads = draw(st.integers(1, 4))
    width = heads * draw(st.integers(1, 6))
    reduction = draw(st.sampled_from([r for r in (1, 2, 4) if grid % r == 0]))
    kind = draw(st.sampled_from(KINDS))
    attention = {"heads": heads, "reduction": reduction}
    expansion = {"expansion": draw(st.sampled_from([1, 1.5, 3.77, 4]))}
    args = {"cmt": attention | expansion, "irffn": expansion, "lmhsa": attention, "lpu": {}}[kind]
    stage: dict[str, Any] = {"embed": {"block": "patch_embed", "args": {"width": width}}}
    if draw(st.booleans()):
        return stage | {"block": kind, "depth": draw(st.integers(0, 3)), "args": args}
    runs = [{"block": kind, "depth": draw(st.integers(1, 2)), "args": args}, {"block": "lpu"}]
    return stage | {"blocks": draw(st.permutations(runs))}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 3))
    size = 2 ** (count + 1) * draw(st.sampled_from([4, 8]))
    spec: dict[str, Any] = {
        "model": draw(st.sampled_from(["a", "b2", "Some_Name"])),
        "input": {"channels": draw(st.integers(1, 4)), "size": size},
        "classes": draw(st.integers(1, 20)),
        "profile": draw(st.sampled_from(PROFILES)),
        "drop_path": draw(st.sampled_from([0.0, 0.1, 0.5])),
        "stem": {"block": "conv_stem", "args": {"width": draw(st.integers(1, 8))}},
        "stages": [draw(stages(size >> (i + 2))) for i in range(count)],
    }
    if draw(st.booleans()):
        head = draw(st.sampled_from(["cmt_head", "cmt_head_fc", "$profile.head"]))
        spec["head"] = {"block": head, "args": {"width": draw(st.integers(1, 30)), "dropout": 0.1}}
    return spec


@SETTINGS
@given(specs())
def test_a_valid_spec_builds_a_sound_graph(spec: dict[str, Any]) -> None:
    model = load_text(as_yaml(spec))
    graph = build(model)
    seen: set[str] = set()
    for node in graph.nodes:
        assert node.path not in seen
        assert seen.issuperset(node.inputs), node
        assert node.type == (node.op.infer(*graph.input_types(node)))
        assert node.params == node.op.params(*graph.input_types(node))
        seen.add(node.path)
    paths = [info.path for info in graph.params]
    assert len(paths) == len(set(paths))
    if "head" in spec:
        assert graph.output.type.shape == (None, spec["classes"])
    assert len(graph.stages) == len(spec["stages"])


@SETTINGS
@given(specs())
def test_costs_add_up_however_they_are_grouped(spec: dict[str, Any]) -> None:
    graph = build(load_text(as_yaml(spec)))
    whole = cost(graph)
    assert sum(whole.nodes.values(), Tally()) == whole.total
    for level in LEVELS:
        top = [row for row in rows(graph, whole, level) if row.depth == 0]
        assert sum((row.tally for row in top), Tally()) == whole.total
    assert whole.total.trainable == sum(p.trainable * size(p.shape) for p in graph.params)
    assert whole.total.statistics == sum((not p.trainable) * size(p.shape) for p in graph.params)


def size(shape: tuple[int, ...]) -> int:
    product = 1
    for dim in shape:
        product *= dim
    return product


@SETTINGS
@given(specs())
def test_resolved_text_gives_the_same_graph(spec: dict[str, Any]) -> None:
    model = load_text(as_yaml(spec))
    again = load_text(model.resolved())
    assert build(again).fingerprint == build(model).fingerprint
    assert [n.op for n in build(again).nodes] == [n.op for n in build(model).nodes]


@settings(SETTINGS, max_examples=15)
@given(specs())
def test_source_is_python_with_one_class_per_structure(spec: dict[str, Any]) -> None:
    graph = build(load_text(as_yaml(spec)))
    text = source(graph)
    tree = ast.parse(text)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = [node.name for node in classes]
    assert len(names) == len(set(names))
    assert names[-1] == "Model"
    bodies = [ast.dump(ast.Module(drop_name(node), [])) for node in classes if node.name[-1].isdigit()]
    assert len(bodies) == len(set(bodies)), "two classes of one structure"
    assert source(build(load_text(as_yaml(spec)))) == text
    assert "lambda" not in text


def drop_name(node: ast.ClassDef) -> list[ast.stmt]:
    """A class's statements without its documentation and its name."""
    block = node.name.rstrip("0123456789")
    return [ast.parse(f"block = {block!r}").body[0], *node.body[1:]]
