"""Cells compute the same with kernels and without: in both modes, lazily inlined, recomputed, in half precision."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from cmt_dsl import Graph, build, load_text, run, source, to_cell
from cmt_dsl.lower.mindspore import kernels
from cmt_dsl.lower.mindspore.names import canonical_names
from cmt_dsl.weights.initial import initial
from tests.lower.kernel_calls import COMPILED, draw, library
from tests.ops.single import samples
from tests.ops.test_mindspore import cells, projection, slope
from tests.tiny import graph_of, model_of

pytestmark = pytest.mark.mindspore
IMAGES, WEIGH = draw(2, 3, 8, 8), draw(2, 3, 8, 8, seed=1)


@lru_cache(maxsize=1)
def twice() -> tuple[Graph, dict[str, np.ndarray]]:
    """Two equal blocks, which share one compiled graph, and weights that hide nothing."""
    graph = graph_of(COMPILED, stage="depth: 2")
    weights = initial(graph, 0)
    return graph, {path: w + 0.3 * draw(*w.shape) for path, w in weights.items()}


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "state", lambda: kernels.State(None, "not here"))


def custom(cell: Any) -> int:
    """How many compiled kernels a Cell holds."""
    return sum(
        type(p).__name__ == "Custom"
        for _, c in cell.cells_and_names()
        for p in vars(c).get("_primitives", {}).values()
    )


def gradients(mode: str, recomputed: bool = False) -> tuple[np.ndarray, dict[str, np.ndarray], int]:
    import mindspore as ms
    from mindspore import ops

    from runtime.engines.mindspore.parts import recompute

    graph, weights = twice()
    ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
    try:
        net = to_cell(graph, weights=weights)
        net.set_train(True)
        if recomputed:
            recompute(net, ["stages.0.blocks.0"])

        def loss(images: Any) -> Any:
            y = net(images)
            return ops.ReduceSum()(y * ms.Tensor(WEIGH)), y

        parameters = net.trainable_params()
        (_, y), (dx, found) = ms.value_and_grad(loss, 0, parameters, has_aux=True)(ms.Tensor(IMAGES))
        names = canonical_names(graph)
        by_path = {names[p.name]: g.asnumpy() for p, g in zip(parameters, found, strict=True)}
        return y.asnumpy(), {**by_path, "images": dx.asnumpy()}, custom(net)
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)


def test_values_and_gradients_of_shared_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, weights = twice()
    assert "DepthwiseConv(3, 3, True, residual=True)" in source(graph)
    wide = {path: w.astype(np.float64) for path, w in weights.items()}
    expected = run(graph, wide, IMAGES.astype(np.float64))
    direction = {path: draw(*w.shape, seed=9) for path, w in weights.items()}
    ends = []
    for step in (1e-5, -1e-5):
        moved = {path: w + step * direction[path] for path, w in wide.items()}
        moving = IMAGES.astype(np.float64) + step * draw(*IMAGES.shape, seed=9)
        ends.append((run(graph, moved, moving) * WEIGH).sum())
    wanted = (ends[0] - ends[1]) / 2e-5
    direction["images"] = draw(*IMAGES.shape, seed=9)

    ways = [gradients("graph"), gradients("pynative"), gradients("graph", recomputed=True)]
    assert all(count == 10 for *_, count in ways)  # five cells in each of two blocks
    without(monkeypatch)
    plain = gradients("graph")
    assert plain[2] == 0
    for y, found, _ in [*ways, plain]:
        np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
        total = sum((g.astype(np.float64) * direction[path]).sum() for path, g in found.items())
        assert total == pytest.approx(wanted, rel=1e-4)
        for path, gradient in found.items():
            bound = 1e-5 * np.abs(plain[1][path]).max()
            np.testing.assert_allclose(gradient, plain[1][path], rtol=0, atol=bound, err_msg=path)


def test_operators_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way of tests/ops/test_mindspore.py, for the operators that have two."""
    import mindspore as ms
    from mindspore import nn, ops

    without(monkeypatch)
    chosen = [s for s in samples() if s.op.kind in ("gelu", "layer_norm") or getattr(s.op, "groups", 1) == 6]
    weights = tuple(ms.Tensor(projection(s).astype(np.float32)) for s in chosen)

    class Together(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.CellList(cells(chosen))

        def construct(self, image: Any) -> Any:
            total, found = 0.0, ()
            for i, part in enumerate(self.parts):
                y = part(image)
                found = (*found, y)
                total = total + ops.ReduceSum()(y * weights[i])
            return total, found

    network = Together()
    network.set_train(True)
    assert custom(network) == 0
    parameters = network.trainable_params()
    image = ms.Tensor(np.zeros((2, 1, 1, 1), np.float32))
    (_, values), slopes = ms.value_and_grad(network, None, parameters, has_aux=True)(image)
    by_name = {p.name: g.asnumpy() for p, g in zip(parameters, slopes, strict=True)}
    for i, (sample, value) in enumerate(zip(chosen, values, strict=True)):
        expected = sample.numpy(sample.values(2))
        np.testing.assert_allclose(
            value.asnumpy(), expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max())
        )
        wide = {k: v.astype(np.float64) for k, v in sample.values(2).items()}
        for name, path in canonical_names(sample.graph(2)).items():
            gradient = by_name[f"parts.{i}.{name}"]
            at = tuple(s // 2 for s in gradient.shape)
            bound = 3e-4 * max(1.0, np.abs(gradient).max())
            assert abs(gradient[at] - slope(sample, wide, projection(sample), path, at)) < bound, (
                sample.name,
                path,
            )


def test_half_precision_in_and_out() -> None:
    import mindspore as ms

    assert library()
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        for sample in samples():
            if sample.name not in ("gelu-0", "gelu-1", "conv2d-1", "layer_norm-0"):
                continue
            text = {
                "gelu-0": "gelu, form: erf",
                "gelu-1": "gelu, form: tanh",
                "layer_norm-0": "layer_norm, eps: 1.0e-6",
            }
            op = text.get(sample.name, "conv2d, out: 3, kernel: 3, padding: 1, groups: 3")
            cell = to_cell(build(load_text(model_of(f"one: {{op: {op}}}"))))
            assert custom(cell) == 1
            wide = cell(ms.Tensor(IMAGES)).asnumpy()
            half = cell(ms.Tensor(IMAGES, ms.float16))
            assert half.dtype == ms.float16
            np.testing.assert_allclose(half.asnumpy(), wide, rtol=2e-3, atol=2e-3)
            (slope_half, slope_wide) = (
                ms.grad(lambda x, cell=cell: cell(x).astype(ms.float32).sum())(ms.Tensor(IMAGES, dtype))
                for dtype in (ms.float16, ms.float32)
            )
            assert slope_half.dtype == ms.float16
            np.testing.assert_allclose(slope_half.asnumpy(), slope_wide.asnumpy(), rtol=2e-2, atol=5e-3)
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)
