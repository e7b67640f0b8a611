"""The shipped attention units against NumPy written from their papers, on random weights."""

from __future__ import annotations

import numpy as np
import pytest

from cmt_dsl import Graph, run
from tests.tiny import HEAD, graph_of

SIZE = "input: {channels: %d, size: [%d, %d]}"
Arrays = dict[str, np.ndarray]


def unit(block: str, args: str = "", channels: int = 8, height: int = 5, width: int = 6) -> Graph:
    head = HEAD.replace("input: {channels: 3, size: 8}", SIZE % (channels, height, width))
    return graph_of(f"u: {{block: {block}, args: {{{args}}}}}", head=head)


def drawn(graph: Graph) -> tuple[Arrays, np.ndarray]:
    """Random weights by their path in the unit, variances above 0, and images."""
    random = np.random.default_rng(1)
    weights = {p.path: random.standard_normal(p.shape).astype(np.float32) for p in graph.params}
    weights = {k: np.abs(v) + 0.5 if k.endswith("running_var") else v for k, v in weights.items()}
    return weights, random.standard_normal((2, *graph.input.type.sizes)).astype(np.float32)


def short(weights: Arrays) -> Arrays:
    return {path.removeprefix("stages.0.blocks.0.u."): value for path, value in weights.items()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
def test_squeeze_and_excitation(gate: str) -> None:
    """Hu et al. 2018: z_c = mean of the channel; s = σ(W₂ δ(W₁ z)); x̃_c = s_c · x_c."""
    graph = unit("se", f"ratio: 4, gate: {gate}")
    weights, x = drawn(graph)
    w = short(weights)
    expected = np.empty_like(x)
    for n in range(len(x)):
        z = np.array([x[n, c].sum() / x[n, c].size for c in range(8)])
        hidden = np.maximum(w["narrow.weight"] @ z + w["narrow.bias"], 0)
        raw = w["widen.weight"] @ hidden + w["widen.bias"]
        s = sigmoid(raw) if gate == "sigmoid" else np.minimum(np.maximum(raw + 3, 0), 6) / 6
        for c in range(8):
            expected[n, c] = s[c] * x[n, c]
    np.testing.assert_allclose(run(graph, weights, x), expected, atol=1e-5)
    assert w["narrow.weight"].shape == (2, 8)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("kernel", [7, 3])
def test_convolutional_block_attention(kernel: int, norm: bool) -> None:
    """Woo et al. 2018: M_c = σ(MLP(mean) + MLP(max)), one MLP; M_s = σ(f⁷ˣ⁷([mean; max] over channels))."""
    graph = unit("cbam", f"ratio: 2, kernel: {kernel}, norm: {str(norm).lower()}")
    weights, x = drawn(graph)
    w = short(weights)

    def mlp(v: np.ndarray) -> np.ndarray:
        return w["widen.weight"] @ np.maximum(w["narrow.weight"] @ v + w["narrow.bias"], 0) + w["widen.bias"]

    expected = np.empty_like(x)
    pad = kernel // 2
    for n, image in enumerate(x):
        first = image * sigmoid(mlp(image.mean((1, 2))) + mlp(image.max((1, 2))))[:, None, None]
        both = np.pad(np.stack([first.mean(0), first.max(0)]), ((0, 0), (pad, pad), (pad, pad)))
        level = np.empty(image.shape[1:])
        for i, j in np.ndindex(*level.shape):
            level[i, j] = (both[:, i : i + kernel, j : j + kernel] * w["spread.weight"][0]).sum()
        if norm:
            level = (level - w["level.running_mean"]) / np.sqrt(w["level.running_var"] + 1e-5)
            level = level * w["level.weight"] + w["level.bias"]
        expected[n] = first * sigmoid(level)
    np.testing.assert_allclose(run(graph, weights, x), expected, atol=2e-5)
    assert "spread.bias" not in w


@pytest.mark.parametrize(
    ("channels", "args", "kernel"), [(8, "", 3), (64, "", 3), (256, "", 5), (8, "kernel: 5", 5)]
)
def test_efficient_channel_attention(channels: int, args: str, kernel: int) -> None:
    """Wang et al. 2020: ω = σ(C1D_k(mean)), k the odd number near |log₂(c) / 2 + 1 / 2|."""
    graph = unit("eca", args, channels)
    weights, x = drawn(graph)
    taps = short(weights)["local.weight"].ravel()
    assert len(taps) == kernel
    means = np.pad(x.mean((2, 3)), ((0, 0), (kernel // 2, kernel // 2)))
    sums = np.array([[(m[c : c + kernel] * taps).sum() for c in range(channels)] for m in means])
    np.testing.assert_allclose(run(graph, weights, x), x * sigmoid(sums)[:, :, None, None], atol=1e-5)
