"""Units of other papers in YAML alone: what the operators must be able to say, each against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cmt_dsl import Graph, run
from tests.tiny import HEAD, graph_of

MAP = HEAD.replace("input: {channels: 3, size: 8}", "input: {channels: 8, size: [6, 5]}")
Arrays = dict[str, np.ndarray]

UNITS = {
    "coordinate attention (Hou et al. 2021)": """\
rows: {op: mean, over: width}
columns: {op: mean, in: x, over: height}
turned: {op: transpose, axes: [height, width]}
both: {op: concat, in: [rows, turned], over: height}
narrow: {op: linear, out: 4}
norm: {op: batch_norm}
act: {op: hard_swish}
h: {op: slice_grid, over: height, start: 0, stop: $x.height}
w: {op: slice_grid, in: act, over: height, start: $x.height, stop: $x.height + x.width}
back: {op: transpose, axes: [width, height]}
fh: {op: linear, in: h, out: $x.channels}
gh: {op: sigmoid}
fw: {op: linear, in: back, out: $x.channels}
gw: {op: sigmoid}
first: {op: mul, in: [x, gh]}
y: {op: mul, in: [first, gw]}""",
    "global context (Cao et al. 2019)": """\
key: {op: linear, out: 1}
weights: {op: softmax, over: grid}
picked: {op: mul, in: [x, weights]}
context: {op: sum, over: grid}
narrow: {op: linear, out: 2}
norm: {op: layer_norm, eps: 1e-5}
act: {op: relu}
widen: {op: linear, out: $x.channels}
y: {op: add, in: [x, widen]}""",
    "SimAM (Yang et al. 2021)": """\
mean: {op: mean, over: grid}
gap: {op: sub, in: [x, mean]}
square: {op: power, by: 2.0}
total: {op: sum, over: grid}
spread: {op: scale, by: "$4 / (x.tokens - 1)"}
safe: {op: offset, by: 4e-4}
ratio: {op: div, in: [square, safe]}
energy: {op: offset, by: 0.5}
gate: {op: sigmoid}
y: {op: mul, in: [x, gate]}""",
    "split attention (Zhang et al. 2020), radix 2": """\
a: {op: slice_channels, start: 0, stop: $x.channels // 2}
b: {op: slice_channels, in: x, start: $x.channels // 2, stop: $x.channels}
sum: {op: add, in: [a, b]}
pool: {op: mean, over: grid}
narrow: {op: linear, out: 4}
act: {op: relu}
widen: {op: linear, out: $x.channels}
radix: {op: split_heads, heads: 2}
share: {op: softmax, over: channels}
flat: {op: merge_heads, height: 1, width: 1}
weighted: {op: mul, in: [x, flat]}
c: {op: slice_channels, start: 0, stop: $x.channels // 2}
d: {op: slice_channels, in: weighted, start: $x.channels // 2, stop: $x.channels}
y: {op: add, in: [c, d]}""",
    "channel shuffle (Zhang et al. 2018)": """\
groups: {op: split_heads, heads: 4}
turned: {op: transpose, axes: [channels, height]}
y: {op: merge_heads, height: $x.height, width: $x.width}""",
    "global response normalisation (Woo et al. 2023)": """\
square: {op: power, by: 2.0}
total: {op: sum, over: grid}
norm: {op: power, by: 0.5}
mean: {op: mean, over: channels}
safe: {op: offset, by: 1e-6}
ratio: {op: div, in: [norm, safe]}
scaled: {op: mul, in: [x, ratio]}
gamma: {op: parameter, shape: [$x.channels, 1, 1], init: zeros}
beta: {op: parameter, shape: [$x.channels, 1, 1], init: zeros}
gained: {op: mul, in: [scaled, gamma]}
moved: {op: add, in: [gained, beta]}
y: {op: add, in: [moved, x]}""",
    "large kernel attention (Guo et al. 2022)": """\
near: {op: conv2d, out: $x.channels, kernel: 5, padding: 2, groups: $x.channels}
far: {op: conv2d, out: $x.channels, kernel: 7, padding: 9, dilation: 3, groups: $x.channels}
mix: {op: linear, out: $x.channels}
y: {op: mul, in: [x, mix]}""",
    "InceptionNeXt's mixer (Yu et al. 2024)": """\
keep: {op: slice_channels, start: 0, stop: 2}
s: {op: slice_channels, in: x, start: 2, stop: 4}
square: {op: conv2d, out: 2, kernel: 3, padding: 1, groups: 2}
r: {op: slice_channels, in: x, start: 4, stop: 6}
row: {op: conv2d, out: 2, kernel: [1, 11], padding: [0, 5], groups: 2}
c: {op: slice_channels, in: x, start: 6, stop: 8}
column: {op: conv2d, out: 2, kernel: [11, 1], padding: [5, 0], groups: 2}
y: {op: concat, in: [keep, square, row, column]}""",
    "layer scale (Touvron et al. 2021)": """\
mix: {op: linear, out: $x.channels}
gamma: {op: parameter, shape: [$x.channels, 1, 1], init: 1e-6}
small: {op: mul, in: [mix, gamma]}
y: {op: add, in: [x, small]}""",
    "token mixing (Tolstikhin et al. 2021)": """\
flat: {op: split_heads, heads: 1}
rows: {op: transpose, axes: [height, width]}
map: {op: merge_heads, height: $x.channels, width: 1}
widen: {op: linear, out: 12}
act: {op: gelu}
narrow: {op: linear, out: $x.tokens}
again: {op: split_heads, heads: 1}
back: {op: transpose, axes: [height, width]}
grid: {op: merge_heads, height: $x.height, width: $x.width}
y: {op: add, in: [grid, x]}""",
    "PoolFormer's mixer (Yu et al. 2022)": """\
pool: {op: avg_pool, kernel: 3, stride: 1, padding: 1, count_padding: false}
y: {op: sub, in: [pool, x]}""",
    "Ghost module (Han et al. 2020)": """\
primary: {op: linear, out: 4}
norm: {op: batch_norm}
act: {op: relu}
cheap: {op: conv2d, out: 4, kernel: 3, padding: 1, groups: 4}
y: {op: concat, in: [act, cheap]}""",
}
KEEPS = {name: (4 if name.startswith("split") else 8, 6, 5) for name in UNITS}


def values(name: str) -> tuple[Graph, Arrays, np.ndarray, np.ndarray]:
    graph = graph_of(UNITS[name], head=MAP)
    random = np.random.default_rng(7)
    weights = {p.path: random.standard_normal(p.shape) for p in graph.params}
    weights = {k: np.abs(v) + 0.5 if k.endswith("running_var") else v for k, v in weights.items()}
    x = random.standard_normal((2, 8, 6, 5))
    short = {path.removeprefix("stages.0.blocks.0."): value for path, value in weights.items()}
    return graph, short, x, run(graph, weights, x)


@pytest.mark.parametrize("name", UNITS)
def test_it_can_be_written(name: str) -> None:
    graph, _, _, y = values(name)
    assert graph.output.type.sizes == KEEPS[name]
    assert np.isfinite(y).all()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def named(start: str) -> tuple[Arrays, np.ndarray, np.ndarray]:
    (name,) = [name for name in UNITS if name.startswith(start)]
    return values(name)[1:]


def linear(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    return np.einsum("oc,nc...->no...", w[f"{name}.weight"], x) + w[f"{name}.bias"].reshape(
        -1, *(1,) * (x.ndim - 2)
    )


def test_coordinate_attention() -> None:
    w, x, y = named("coordinate")
    both = np.concatenate([x.mean(3), x.mean(2)], axis=2)
    f = linear(w, "narrow", both)
    f = (f - w["norm.running_mean"][:, None]) / np.sqrt(w["norm.running_var"][:, None] + 1e-5)
    f = f * w["norm.weight"][:, None] + w["norm.bias"][:, None]
    f = f * np.clip(f + 3, 0, 6) / 6
    gates = sigmoid(linear(w, "fh", f[..., :6])), sigmoid(linear(w, "fw", f[..., 6:]))
    np.testing.assert_allclose(y, x * gates[0][..., None] * gates[1][:, :, None], atol=1e-9)


def test_global_context() -> None:
    w, x, y = named("global context")
    keys = np.exp(linear(w, "key", x)[:, 0]).reshape(2, -1)
    context = (x.reshape(2, 8, -1) * (keys / keys.sum(1, keepdims=True))[:, None]).sum(2)
    hidden = linear(w, "narrow", context)
    hidden = (hidden - hidden.mean(1, keepdims=True)) / np.sqrt(hidden.var(1, keepdims=True) + 1e-5)
    hidden = np.maximum(hidden * w["norm.weight"] + w["norm.bias"], 0)
    np.testing.assert_allclose(y, x + linear(w, "widen", hidden)[..., None, None], atol=1e-9)


def test_simam() -> None:
    _, x, y = named("SimAM")
    square = (x - x.mean((2, 3), keepdims=True)) ** 2
    variance = square.sum((2, 3), keepdims=True) / (6 * 5 - 1)
    np.testing.assert_allclose(y, x * sigmoid(square / (4 * (variance + 1e-4)) + 0.5), atol=1e-9)


def test_split_attention() -> None:
    w, x, y = named("split")
    pooled = (x[:, :4] + x[:, 4:]).mean((2, 3))
    raw = np.exp(linear(w, "widen", np.maximum(linear(w, "narrow", pooled), 0)).reshape(2, 2, 4))
    share = raw / raw.sum(1, keepdims=True)
    expected = x[:, :4] * share[:, 0, :, None, None] + x[:, 4:] * share[:, 1, :, None, None]
    np.testing.assert_allclose(y, expected, atol=1e-9)


def test_channel_shuffle() -> None:
    _, x, y = named("channel shuffle")
    np.testing.assert_array_equal(y, x.reshape(2, 4, 2, 6, 5).swapaxes(1, 2).reshape(x.shape))


def test_global_response_normalisation() -> None:
    w, x, y = named("global response")
    norm = np.linalg.norm(x, axis=(2, 3), keepdims=True)
    ratio = norm / (norm.mean(1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(y, w["gamma"] * (x * ratio) + w["beta"] + x, atol=1e-9)


def test_token_mixing() -> None:
    w, x, y = named("token")
    tokens = x.reshape(2, 8, 30).swapaxes(1, 2)
    u = linear(w, "widen", tokens)
    u = 0.5 * u * (1 + np.vectorize(math.erf)(u / np.sqrt(2)))
    mixed = linear(w, "narrow", u).swapaxes(1, 2).reshape(x.shape)
    np.testing.assert_allclose(y, mixed + x, atol=1e-5)


def test_pooling_counts_the_map_alone() -> None:
    _, x, y = named("PoolFormer")
    i, j = np.arange(6)[:, None], np.arange(5)
    for r, c in np.ndindex(6, 5):
        near = (abs(i - r) <= 1) & (abs(j - c) <= 1)
        np.testing.assert_allclose(y[..., r, c], x[..., near].mean(-1) - x[..., r, c], atol=1e-9)
