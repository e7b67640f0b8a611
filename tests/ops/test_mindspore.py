"""NumPy and MindSpore agree on every sample: values in inference, gradients in training.

All samples go into one network, so MindSpore compiles twice and not a hundred times.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from cmt_dsl import build, load, load_text, run, to_cell
from cmt_dsl.lower.mindspore.cell import read
from cmt_dsl.lower.mindspore.names import canonical_names
from cmt_dsl.weights.initial import initial
from tests.ops.single import Sample, samples
from tests.tiny import model_of

pytestmark = pytest.mark.mindspore
BATCH = 2
RANDOM = {"dropout", "drop_path"}
ALL = samples()
SMOOTH = [s for s in ALL if s.op.kind not in RANDOM]
STATISTICS = ("it.running_mean", "it.running_var")


def cells(chosen: list[Sample]) -> list[Any]:
    return [to_cell(s.graph(BATCH), weights=s.values(BATCH)) for s in chosen]


@pytest.fixture(scope="module")
def inference() -> dict[str, np.ndarray]:
    """The output of every sample's cell, in graph mode."""
    import mindspore as ms
    from mindspore import nn

    class Together(nn.Cell):
        def __init__(self, parts: list[Any]) -> None:
            super().__init__()
            self.parts = nn.CellList(parts)

        def construct(self, image):
            found = ()
            for part in self.parts:
                found = (*found, part(image))
            return found

    ms.set_context(mode=ms.GRAPH_MODE)
    network = Together(cells(ALL))
    network.set_train(False)
    values = network(ms.Tensor(np.zeros((BATCH, 1, 1, 1), np.float32)))
    return {s.name: v.asnumpy() for s, v in zip(ALL, values, strict=True)}


@pytest.mark.parametrize("sample", ALL, ids=lambda s: s.name)
def test_values(sample: Sample, inference: dict[str, np.ndarray]) -> None:
    expected = sample.numpy(sample.values(BATCH))
    found = inference[sample.name]
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * max(1, np.abs(expected).max()) / 10)


def projection(sample: Sample) -> np.ndarray:
    """Random weights of the outputs: their sum is the loss."""
    shape = [d or BATCH for d in sample.op.infer(*sample.types).shape]
    random = np.random.default_rng(zlib.crc32(sample.name.encode()) + 1)
    return random.standard_normal(shape)


@pytest.fixture(scope="module")
def gradients() -> dict[str, dict[str, np.ndarray]]:
    """Sample, path: the gradient of the sample's projected output in training, in graph mode."""
    import mindspore as ms
    from mindspore import nn, ops

    class Loss(nn.Cell):
        def __init__(self, parts: list[Any], weights: list[np.ndarray]) -> None:
            super().__init__()
            self.parts = nn.CellList(parts)
            self.weights = tuple(ms.Tensor(w.astype(np.float32)) for w in weights)

        def construct(self, image):
            total = 0.0
            for i, part in enumerate(self.parts):
                total = total + ops.ReduceSum()(part(image) * self.weights[i])
            return total

    ms.set_context(mode=ms.GRAPH_MODE)
    network = Loss(cells(SMOOTH), [projection(s) for s in SMOOTH])
    network.set_train(True)
    parameters = network.trainable_params()
    image = ms.Tensor(np.zeros((BATCH, 1, 1, 1), np.float32))
    _, found = ms.value_and_grad(network, None, parameters)(image)
    by_name = {p.name: g.asnumpy() for p, g in zip(parameters, found, strict=True)}
    return {
        s.name: {
            path: by_name[f"parts.{i}.{name}"]
            for name, path in canonical_names(s.graph(BATCH)).items()
            if path not in STATISTICS
        }
        for i, s in enumerate(SMOOTH)
    }


@pytest.mark.parametrize("sample", SMOOTH, ids=lambda s: s.name)
def test_gradients_of_inputs_and_parameters(
    sample: Sample, gradients: dict[str, dict[str, np.ndarray]]
) -> None:
    values = {k: v.astype(np.float64) for k, v in sample.values(BATCH).items()}
    weights = projection(sample)
    for path, found in gradients[sample.name].items():
        for index in chosen(found.shape):
            expected = slope(sample, values, weights, path, index)
            bound = 3e-4 * max(1.0, np.abs(found).max())
            assert abs(found[index] - expected) < bound, f"{path}{list(index)}"


def chosen(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Up to 40 places of a tensor, spread over it."""
    size = int(np.prod(shape))
    flat = np.unique(np.linspace(0, size - 1, min(size, 40)).astype(int))
    return [tuple(map(int, np.unravel_index(i, shape))) for i in flat]


def slope(
    sample: Sample, values: dict[str, np.ndarray], weights: np.ndarray, path: str, index: tuple[int, ...]
) -> float:
    """Central difference of the projected output, in float64."""
    ends = []
    for step in (1e-4, -1e-4):
        moved = {**values, path: values[path].copy()}
        moved[path][index] += step
        ends.append((sample.training(moved) * weights).sum())
    return (ends[0] - ends[1]) / 2e-4


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("model", ["cmt_nano", "example_parallel", "example_attention"])
def test_whole_models(model: str, mode: str) -> None:
    import mindspore as ms

    graph = build(load(model))
    random = np.random.default_rng(0)
    weights = initial(graph, 0)
    for info in graph.params:  # nothing may hide behind a zero bias or a variance of one
        if info.init in ("zeros", "ones"):
            shift = 1.0 if info.init == "ones" else 0.0
            spread = 0.1 * np.abs(random.standard_normal(info.shape))
            weights[info.path] = (shift + spread).astype(np.float32)
    images = random.standard_normal((2, *graph.input.type.sizes)).astype(np.float32)
    expected = run(graph, weights, images)
    assert np.abs(expected).max() > 0.05
    ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
    try:
        cell = to_cell(graph, weights=weights)
        cell.set_train(False)
        found = cell(ms.Tensor(images)).asnumpy()
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max()))


def test_dropout_and_drop_path_keep_the_mean_and_drop_their_share() -> None:
    import mindspore as ms

    for op, shape in (("dropout", "elements"), ("drop_path", "images")):
        text = model_of(f"one: {{op: {op}, rate: 0.25}}")
        cell = to_cell(build(load_text(text)))
        cell.set_train(True)
        images = ms.Tensor(np.ones((4000 if shape == "images" else 8, 3, 8, 8), np.float32))
        y = cell(images).asnumpy()
        kept = y.reshape(len(y), -1)
        np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
        assert abs((y == 0).mean() - 0.25) < 0.05
        if shape == "images":
            assert (kept == kept[:, :1]).all()
        assert (cell(images).asnumpy() != y).any(), "the second draw is the first"
        cell.set_train(False)
        np.testing.assert_array_equal(cell(images).asnumpy(), images.asnumpy())


def test_batch_norm_moves_its_statistics_in_training_alone() -> None:
    import mindspore as ms

    graph = build(load_text(model_of("one: {op: batch_norm, eps: 1.0e-5, momentum: 0.1}")))
    cell = to_cell(graph)
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32) + 2
    before = read(cell, graph)
    cell.set_train(False)
    cell(ms.Tensor(x))
    for path, value in read(cell, graph).items():
        np.testing.assert_array_equal(value, before[path])
    cell.set_train(True)
    cell(ms.Tensor(x))
    after = read(cell, graph)
    path = "stages.0.blocks.0.one.running_"
    np.testing.assert_allclose(after[path + "mean"], 0.1 * x.mean((0, 2, 3)), rtol=1e-4)
    unbiased = x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(after[path + "var"], 0.9 + 0.1 * unbiased, rtol=1e-3)
