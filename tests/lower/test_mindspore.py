"""Live cells: names, rates as data, strict weights, odd node names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cmt_dsl import CmtError, Graph, build, load, run, to_cell
from cmt_dsl.lower.mindspore.cell import read, write
from cmt_dsl.lower.mindspore.names import TAKEN, canonical_names
from cmt_dsl.weights.initial import initial
from tests.tiny import graph_of

pytestmark = pytest.mark.mindspore
EXTRA = {"rate", "key", "step"}


@pytest.fixture(scope="module")
def ti() -> tuple[Graph, Any]:
    graph = build(load("cmt_ti"))
    return graph, to_cell(graph, seed=3)


def test_parameters_are_the_paths_and_nothing_else(ti: tuple[Graph, Any]) -> None:
    graph, cell = ti
    found = {name: p for name, p in cell.parameters_dict().items() if name.rsplit(".", 1)[-1] not in EXTRA}
    names = canonical_names(graph)
    assert found.keys() == names.keys()
    shapes = {info.path: info.shape for info in graph.params}
    trainable = {info.path for info in graph.params if info.trainable}
    for name, parameter in found.items():
        assert parameter.shape == shapes[names[name]]
        assert parameter.requires_grad == (names[name] in trainable)


def test_rates_are_data_and_rise_linearly(ti: tuple[Graph, Any]) -> None:
    _, cell = ti
    parameters = cell.parameters_dict()
    depths = [2, 2, 10, 2]
    at = 0
    for stage, depth in enumerate(depths):
        for block in range(depth):
            for drop in ("drop1", "drop2"):
                rate = parameters[f"stages.{stage}.blocks.{block}.{drop}.rate"]
                assert float(rate.asnumpy()) == pytest.approx(0.1 * at / 15, abs=1e-7)
                assert not rate.requires_grad
            at += 1
    assert sum(name.endswith(".rate") for name in parameters) == 32


def test_weights_read_back_as_written(ti: tuple[Graph, Any]) -> None:
    graph, cell = ti
    expected = initial(graph, 3)
    found = read(cell, graph)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], value)


def test_writing_is_strict_and_changes_nothing_when_refused(ti: tuple[Graph, Any]) -> None:
    graph, cell = ti
    before = read(cell, graph)
    other = initial(graph, 99)
    for wrong in (
        {k: v for k, v in other.items() if k != "head.fc.bias"},
        {**other, "head.fc.extra": other["head.fc.bias"]},
        {**other, "head.fc.bias": np.zeros(7, np.float32)},
    ):
        with pytest.raises(CmtError) as caught:
            write(cell, graph, wrong)
        assert caught.value.code == "CMT-402"
    after = read(cell, graph)
    assert all((after[path] == before[path]).all() for path in before)


def test_taken_names_cover_what_a_cell_has() -> None:
    from mindspore import nn

    public = {name for name in {*dir(nn.Cell), *vars(nn.Cell())} if not name.startswith("_")}
    assert public - TAKEN == set()


ODD = ["training", "training_", "cells", "self", "x_", "ms", "ops", "class", "lambda", "None", "print", "phase", "param", "weight", "out", "images", "Model", "structure"]  # fmt: skip


def test_odd_node_names_compile_and_keep_their_paths() -> None:
    import mindspore as ms

    nodes = "\n".join(
        f"{name}: {{op: conv2d, out: 3, kernel: 1, padding: 0, groups: 3}}"
        if i % 2
        else f"{name}: {{op: batch_norm}}"
        for i, name in enumerate(ODD)
    )
    graph = graph_of(
        nodes
        + "\nnext: {op: parameter, shape: [3, 1, 1], init: ones}\nlast: {op: mul, in: [structure, next]}"
    )
    cell = to_cell(graph)
    cell.set_train(False)
    images = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    weights = read(cell, graph)
    assert weights.keys() == {info.path for info in graph.params}
    assert "stages.0.blocks.0.training.weight" in weights
    np.testing.assert_allclose(cell(ms.Tensor(images)).asnumpy(), run(graph, weights, images), atol=1e-4)


def test_one_model_does_not_disturb_another() -> None:
    graph = build(load("cmt_nano"))
    first, second = to_cell(graph, seed=1), to_cell(graph, seed=2)
    for path, value in initial(graph, 1).items():
        np.testing.assert_array_equal(read(first, graph)[path], value)
        break
    assert (read(second, graph)["stem.conv1.weight"] != read(first, graph)["stem.conv1.weight"]).any()
