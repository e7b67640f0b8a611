"""A class activation map adds up to its logit, for every head that has one, on both backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cmt_dsl import Graph, build, load, run
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.weights.initial import initial
from runtime.infer.backend import backend as backend_of
from runtime.infer.cam import answerer, heat, tail
from tests.runtime.train.small import SETS, small
from tests.tiny import graph_of

FC = {"head": {"block": "cmt_head_fc", "args": {"width": 24, "dropout": 0.2}}}
BACKENDS = ["numpy", pytest.param("mindspore", marks=pytest.mark.mindspore)]


def weights_of(graph: Graph) -> dict[str, np.ndarray]:
    """Drawn, with biases and statistics that are not 0 and 1."""
    rng = np.random.default_rng(5)
    arrays = initial(graph, 1)
    return {
        path: (value + rng.uniform(0.1, 0.4, value.shape)).astype(np.float32)
        if path.endswith(("bias", "running_mean", "running_var"))
        else value
        for path, value in arrays.items()
    }


def images_of(graph: Graph, count: int = 3) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, *graph.input.type.sizes)).astype(np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("head", [{}, FC], ids=["cmt_head", "cmt_head_fc"])
def test_the_map_adds_up_to_the_logit(head: dict[str, Any], backend: str) -> None:
    graph = build(
        load("cmt_nano", set={**{k: v for k, v in SETS.items() if not (head and "head" in k)}, **head})
    )
    weights, images = weights_of(graph), images_of(graph)
    found = answerer(Program.of(graph, weights), backend_of(backend))(images)
    expected = run(graph, weights, images)
    assert found.features is not None and found.features.shape[2:] == (2, 2)
    assert np.abs(found.logits - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    matrix, bias = tail(graph).affine(weights)
    for logits, expects, features in zip(found.logits, expected, found.features, strict=True):
        for c in range(10):
            added = heat(features, matrix[c]).sum()
            assert added == pytest.approx(logits[c] - bias[c], abs=1e-9)
            assert added == pytest.approx(expects[c] - bias[c], abs=1e-5 * max(1, np.abs(expects).max()))


def test_a_place_that_is_alone_has_all_the_heat() -> None:
    features = np.zeros((2, 3, 4))
    features[:, 1, 2] = 6, -12
    found = heat(features, np.array([2.0, 0.5]))
    assert found[1, 2] == pytest.approx((12 - 6) / 12) and np.count_nonzero(found) == 1


@pytest.mark.parametrize("name", ["cmt_ti", "cmt_b"])
def test_shipped_models_pool_what_comes_before(name: str) -> None:
    graph = build(load(name))
    end = tail(graph)
    assert end.map == "head.act" and [layer.path for layer in end.layers] == ["head.fc"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_end_has_no_map_but_an_answer(backend: str) -> None:
    layer = "{op: linear, out: 2, bias: true}"
    nodes = f"pool: {{op: global_avg_pool}}\nfc: {layer}\nact: {{op: silu}}\nlast: {layer}"
    graph = graph_of(nodes)
    with pytest.raises(CmtError) as found:
        tail(graph)
    assert found.value.code == "CMT-834" and "silu" in str(found.value)
    weights, images = weights_of(graph), images_of(graph)
    answer = answerer(Program.of(graph, weights), backend_of(backend))(images)
    assert answer.features is None
    assert np.allclose(answer.logits, run(graph, weights, images), atol=1e-5)


def test_cutting_keeps_the_graph_as_it_was() -> None:
    from cmt_dsl.ir import cut

    graph = small()
    part = cut(graph, ["head.act"])
    assert part.output.path == "head.act" and part.output_of("head") == "head.act"
    assert {p.path for p in graph.params} - {p.path for p in part.params} == {
        "head.fc.weight",
        "head.fc.bias",
    }
    assert graph.output.path == "head.fc"
