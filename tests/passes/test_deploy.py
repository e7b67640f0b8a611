"""The passes before deployment: text in, text out, equal numbers, and every reason to leave something as it is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from cmt_dsl import build, load
from cmt_dsl.ir import Array, Program, below, parsed, whole_text
from cmt_dsl.lower.numpy import run_all
from cmt_dsl.ops import make
from cmt_dsl.passes import (
    DEPLOY,
    FORMS,
    DropKeyConstants,
    FoldForward,
    FoldResidual,
    FoldScale,
    MergeProducts,
    MoveBias,
    MoveValueConstants,
    PadChannels,
    Pass,
    Precompute,
    RemoveIdle,
    run,
)
from cmt_dsl.weights.arbitrary import arbitrary
from tests.passes.attention import ATTENTION

HEAD = "graph g\ninput = input(channels=4, height=4, width=4)() -> [n, 4, 4, 4]\n"
TO = "-> [n, 4, 4, 4]"
NORM = "batch_norm(eps=0.001, momentum=0.1)"
PLUS, TIMES = "add()", "mul()"


def conv(**given: object) -> str:
    """A 3×3 convolution of 4 channels with a bias, or what is given instead."""
    usual = {"out": 4, "kernel": 3, "padding": 1, "bias": True, "init": "he_fan_out"}
    return "conv2d(" + ", ".join(f"{name}={value!r}" for name, value in (usual | given).items()) + ")"


def linear(out: int = 4, bias: bool = True) -> str:
    return f"linear(out={out}, bias={bias}, init='trunc_normal_02')"


def parameter(*shape: int) -> str:
    text = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    return f"parameter(shape=({text}), init='normal')() -> [{', '.join(map(str, shape))}]"


ONE = conv(kernel=1, padding=0)
DEPTH = conv(groups=4)

CASES: dict[str, tuple[Pass, str, str | None, list[str]]] = {
    "what does nothing goes": (
        RemoveIdle(),
        f"a = dropout(rate=0.1)(input) {TO}\nb = drop_path(rate=0.1)(a) {TO}\nc = identity()(b) {TO}\nd = scale(by=1.0)(c) {TO}\n"
        f"e = offset(by=0.0)(d) {TO}\nf = slice_channels(start=0, stop=4)(e) {TO}\ng = relu()(f) {TO}\n"
        f"h = slice_grid(over='height', start=0, stop=4)(g) {TO}\noutput y = h\n",
        f"g = relu()(input) {TO}\noutput y = g\n",
        [f"remove-idle: {path}: {kind} removed" for path, kind in zip("abcdefh", ("dropout", "drop_path", "identity",
         "scale", "offset", "slice_channels", "slice_grid"), strict=True)],
    ),
    "what does little stays": (
        RemoveIdle(),
        f"a = scale(by=2.0)(input) {TO}\nb = slice_channels(start=0, stop=3)(a) -> [n, 3, 4, 4]\noutput y = b\n",
        None,
        [],
    ),
    "transposes and heads that cancel, with a dropout between": (
        RemoveIdle(),
        f"a = transpose(axes=('channels', 'width'))(input) {TO}\nd = dropout(rate=0.1)(a) {TO}\n"
        f"b = transpose(axes=('channels', 'width'))(d) {TO}\nc = split_heads(heads=2)(b) -> [n, 2, 2, 16]\n"
        f"e = merge_heads(height=4, width=4)(c) {TO}\nf = relu()(e) {TO}\noutput y = f\n",
        f"f = relu()(input) {TO}\noutput y = f\n",
        ["remove-idle: d: dropout removed", "remove-idle: b: undoes a, readers read input",
         "remove-idle: e: undoes c, readers read input"],
    ),
    "other transposes, and heads merged to another grid": (
        RemoveIdle(),
        f"a = transpose(axes=('channels', 'width'))(input) {TO}\nb = transpose(axes=('height', 'width'))(a) {TO}\n"
        f"c = split_heads(heads=2)(b) -> [n, 2, 2, 16]\ne = merge_heads(height=2, width=8)(c) -> [n, 4, 2, 8]\noutput y = e\n",
        None,
        [],
    ),
    "parameters alone": (
        Precompute(),
        f"p = {parameter(4, 1, 1)}\nq = {parameter(1)}\nr = sigmoid()(p) -> [4, 1, 1]\ns = mul()(r, q) -> [4, 1, 1]\n"
        f"t = mul()(input, s) {TO}\noutput y = t\n",
        f"s = parameter(shape=(4, 1, 1), init='zeros')() -> [4, 1, 1]\nt = mul()(input, s) {TO}\noutput y = t\n",
        ["precompute: r: sigmoid of parameters, a parameter now", "precompute: s: mul of parameters, a parameter now"],
    ),
    "two constants in a row": (
        Precompute(),
        f"p = {parameter(4, 1, 1)}\nq = {parameter(4, 4, 4)}\na = add()(p, input) {TO}\nb = add()(a, q) {TO}\noutput y = b\n",
        f"a = parameter(shape=(4, 4, 4), init='zeros')() -> [4, 4, 4]\nb = add()(input, a) {TO}\noutput y = b\n",
        ["precompute: b: p + q are one parameter"],
    ),
    "a sum that others read": (
        Precompute(),
        f"p = {parameter(4, 1, 1)}\na = add()(p, input) {TO}\nb = add()(a, p) {TO}\nc = add()(a, b) {TO}\noutput y = c\n",
        None,
        ["precompute: b stays: a is read by others too"],
    ),
    "a product that would be much larger than its factors, and what is made of it": (
        Precompute(),
        f"p = {parameter(400, 1)}\nq = {parameter(1, 400)}\nr = mul()(p, q) -> [400, 400]\ns = relu()(r) -> [400, 400]\n"
        "t = softmax()(s) -> [400, 400]\noutput y = t\noutput z = input\n",
        None,
        ["precompute: r stays: its 160,000 elements would be kept instead of 800",
         "precompute: s stays: r is computed each time too", "precompute: t stays: s is computed each time too"],
    ),
    "residuals of all kinds of layers, in both orders": (
        FoldResidual(),
        f"a = {DEPTH}(input) {TO}\nb = {PLUS}(a, input) {TO}\nc = {conv(kernel=(1, 3), padding=(0, 2), dilation=2, groups=2)}(b) {TO}\n"
        f"d = {PLUS}(b, c) {TO}\ne = {conv(bias=False)}(d) {TO}\nf = {PLUS}(e, d) {TO}\ng = {linear()}(f) {TO}\nh = {PLUS}(f, g) {TO}\noutput y = h\n",
        f"a = {DEPTH}(input) {TO}\nc = {conv(kernel=(1, 3), padding=(0, 2), dilation=2, groups=2)}(a) {TO}\n"
        f"e = {conv(bias=False)}(c) {TO}\ng = {linear()}(e) {TO}\noutput y = g\n",
        [f"fold-residual: {at}: into the centre of {into}" for at, into in ("ba", "dc", "fe", "hg")],
    ),
    "residuals that have no tap": (
        FoldResidual(),
        f"a = {conv(kernel=(1, 1), padding=0)}(input) {TO}\nb = {conv(kernel=(5, 3), padding=(2, 2))}(a) -> [n, 4, 4, 6]\n"
        f"c = {linear(1)}(b) -> [n, 1, 4, 6]\nd = {PLUS}(c, b) -> [n, 4, 4, 6]\ne = {linear(4)}(c) -> [n, 4, 4, 6]\nf = {PLUS}(e, c) -> [n, 4, 4, 6]\n"
        f"g = {PLUS}(d, f) -> [n, 4, 4, 6]\nh = {conv()}(g) -> [n, 4, 4, 6]\ni = relu()(h) -> [n, 4, 4, 6]\nj = {PLUS}(h, g) -> [n, 4, 4, 6]\n"
        f"k = {PLUS}(i, j) -> [n, 4, 4, 6]\noutput y = k\n",
        None,
        ["fold-residual: j stays: h is read by others too"],
    ),
    "a window off its middle": (
        FoldResidual(),
        f"a = {conv(kernel=(2, 5), padding=(1, 2), dilation=(2, 1))}(input) {TO}\nb = {PLUS}(a, input) {TO}\noutput y = b\n",
        None,
        ["fold-residual: b stays: a has no tap in the middle of its window"],
    ),
    "a norm into convolutions and linear layers": (
        FoldForward(),
        f"n = {NORM}(input) {TO}\na = {conv(groups=2, padding=0)}(n) -> [n, 4, 2, 2]\nb = {linear(bias=False)}(n) {TO}\n"
        f"c = mean(over='grid')(b) -> [n, 4, 1, 1]\nd = {PLUS}(a, c) -> [n, 4, 2, 2]\noutput y = d\n",
        f"a = {conv(groups=2, padding=0)}(input) -> [n, 4, 2, 2]\nb = {linear()}(input) {TO}\n"
        f"c = mean(over='grid')(b) -> [n, 4, 1, 1]\nd = {PLUS}(a, c) -> [n, 4, 2, 2]\noutput y = d\n",
        ["fold-forward: n: into a, b"],
    ),
    "a norm before padding gives its scale": (
        FoldForward(),
        f"n = {NORM}(input) {TO}\na = {DEPTH}(n) {TO}\nb = {linear()}(n) {TO}\nc = {PLUS}(a, b) {TO}\noutput y = c\n",
        f"n = {NORM}(input) {TO}\na = {DEPTH}(n) {TO}\nb = {linear()}(n) {TO}\nc = {PLUS}(a, b) {TO}\noutput y = c\n",
        ["fold-forward: n: its scale into a, b; a shift stays, a has padding: the border sees zeros, not the shift"],
    ),
    "a product passes padding, a sum does not": (
        FoldForward(),
        f"p = {parameter(4, 1, 1)}\na = {TIMES}(p, input) {TO}\nb = {DEPTH}(a) {TO}\nc = sub()(p, b) {TO}\nd = {DEPTH}(c) {TO}\noutput y = d\n",
        f"p = {parameter(4, 1, 1)}\nb = {DEPTH}(input) {TO}\nc = sub()(p, b) {TO}\nd = {DEPTH}(c) {TO}\noutput y = d\n",
        ["fold-forward: a: into b",
         "fold-forward: c stays: d has padding: the border sees zeros, not the shift"],
    ),
    "the affine part of a layer norm": (
        FoldForward(),
        f"n = layer_norm(eps=0.01)(input) {TO}\na = {ONE}(n) {TO}\nb = layer_norm(eps=0.01)(a) {TO}\nc = {DEPTH}(b) {TO}\n"
        f"d = layer_norm(eps=0.01)(c) {TO}\ne = relu()(d) {TO}\nf = layer_norm(eps=0.01)(e) {TO}\noutput y = f\n",
        f"n = layer_norm(eps=0.01, affine=False)(input) {TO}\na = {ONE}(n) {TO}\nb = layer_norm(eps=0.01)(a) {TO}\nc = {DEPTH}(b) {TO}\n"
        f"d = layer_norm(eps=0.01)(c) {TO}\ne = relu()(d) {TO}\nf = layer_norm(eps=0.01)(e) {TO}\noutput y = f\n",
        ["fold-forward: n: into a", "fold-forward: b stays: c has padding: the border sees zeros, not the shift",
         "fold-forward: d stays: e, a relu, reads it, which has no weights to take it in",
         "fold-forward: f stays: its value leaves the model"],
    ),
    "a bias into the layers that read it": (
        MoveBias(),
        f"a = {DEPTH}(input) {TO}\nb = {linear()}(a) {TO}\nc = {conv(padding=0, kernel=2, stride=2, groups=2)}(a) -> [n, 4, 2, 2]\n"
        f"d = mean(over='grid')(b) -> [n, 4, 1, 1]\ne = {PLUS}(c, d) -> [n, 4, 2, 2]\noutput y = e\n",
        f"a = {conv(groups=4, bias=False)}(input) {TO}\nb = {linear()}(a) {TO}\nc = {conv(padding=0, kernel=2, stride=2, groups=2)}(a) -> [n, 4, 2, 2]\n"
        f"d = mean(over='grid')(b) -> [n, 4, 1, 1]\ne = {PLUS}(c, d) -> [n, 4, 2, 2]\noutput y = e\n",
        ["move-bias: a: into b, c"],
    ),
    "a bias that stays": (
        MoveBias(),
        f"a = {ONE}(input) {TO}\nb = {DEPTH}(a) {TO}\nc = {linear(bias=False)}(b) {TO}\nd = {linear()}(c) {TO}\ne = {linear()}(d) {TO}\n"
        "output y = e\noutput z = d\n",
        None,
        ["move-bias: a stays: b has padding: the border sees zeros, not the shift",
         "move-bias: b stays: c would get a bias that it has not", "move-bias: d stays: its value leaves the model"],
    ),
    "a number into the smallest weight before it, or into all after it": (
        FoldScale(),
        f"a = {DEPTH}(input) {TO}\nb = mean(over='grid')(a) -> [n, 4, 1, 1]\nc = scale(by=-0.5)(b) -> [n, 4, 1, 1]\nd = relu()(c) -> [n, 4, 1, 1]\n"
        f"e = scale(by=3.0)(d) -> [n, 4, 1, 1]\nf = {linear(3)}(e) -> [n, 3, 1, 1]\ng = {linear(3)}(e) -> [n, 3, 1, 1]\nh = mul()(f, g) -> [n, 3, 1, 1]\noutput y = h\n",
        f"a = {DEPTH}(input) {TO}\nb = mean(over='grid')(a) -> [n, 4, 1, 1]\nd = relu()(b) -> [n, 4, 1, 1]\n"
        f"f = {linear(3)}(d) -> [n, 3, 1, 1]\ng = {linear(3)}(d) -> [n, 3, 1, 1]\nh = mul()(f, g) -> [n, 3, 1, 1]\noutput y = h\n",
        ["fold-scale: c: -0.5 into a", "fold-scale: e: 3 into f, g"],
    ),
    "a number between activations": (
        FoldScale(),
        f"a = relu()(input) {TO}\nb = scale(by=0.5)(a) {TO}\nc = tanh()(b) {TO}\noutput y = c\n",
        None,
        ["fold-scale: b stays: no layer before it has weights of its own for it, and after it c, a tanh, reads it, "
         "which has no weights to take it in"],
    ),
    "products of the same value, each kind with its own": (
        MergeProducts(),
        f"a = {linear(2)}(input) -> [n, 2, 4, 4]\nb = {linear(3, False)}(input) -> [n, 3, 4, 4]\nc = {ONE}(input) {TO}\n"
        f"d = {conv(kernel=1, padding=0, out=1)}(input) -> [n, 1, 4, 4]\ne = {conv(kernel=1, padding=0, groups=2)}(input) {TO}\n"
        "f = concat()(a, b, c, d, e) -> [n, 14, 4, 4]\noutput y = f\n",
        f"c_d = {conv(kernel=1, padding=0, out=5)}(input) -> [n, 5, 4, 4]\n"
        f"a_b = {linear(5)}(input) -> [n, 5, 4, 4]\na = slice_channels(start=0, stop=2)(a_b) -> [n, 2, 4, 4]\n"
        "b = slice_channels(start=2, stop=5)(a_b) -> [n, 3, 4, 4]\n"
        f"c = slice_channels(start=0, stop=4)(c_d) {TO}\n"
        f"d = slice_channels(start=4, stop=5)(c_d) -> [n, 1, 4, 4]\ne = {conv(kernel=1, padding=0, groups=2)}(input) {TO}\n"
        "f = concat()(a, b, c, d, e) -> [n, 14, 4, 4]\noutput y = f\n",
        ["merge-products: a: with b as a_b", "merge-products: c: with d as c_d"],
    ),
    "a product that leaves the model": (
        MergeProducts(),
        f"a = {linear(2)}(input) -> [n, 2, 4, 4]\nb = {linear(3)}(input) -> [n, 3, 4, 4]\noutput y = a\noutput z = b\n",
        None,
        ["merge-products: a stays: its value leaves the model"],
    ),
    "hidden channels in fours": (
        PadChannels(4),
        f"a = {conv(out=7, kernel=1, padding=0)}(input) -> [n, 7, 4, 4]\nb = gelu(form='erf')(a) -> [n, 7, 4, 4]\n"
        f"c = {NORM}(b) -> [n, 7, 4, 4]\nd = {conv(out=7, groups=7)}(c) -> [n, 7, 4, 4]\ne = add()(c, d) -> [n, 7, 4, 4]\nf = {linear()}(e) {TO}\noutput y = f\n",
        f"a = {conv(out=8, kernel=1, padding=0)}(input) -> [n, 8, 4, 4]\nb = gelu(form='erf')(a) -> [n, 8, 4, 4]\n"
        f"c = {NORM}(b) -> [n, 8, 4, 4]\nd = {conv(out=8, groups=8)}(c) -> [n, 8, 4, 4]\ne = add()(c, d) -> [n, 8, 4, 4]\nf = {linear()}(e) {TO}\noutput y = f\n",
        ["pad-channels: a: 7 channels became 8, up to f"],
    ),
    "channels that keep their number": (
        PadChannels(4),
        f"a = {linear(5)}(input) -> [n, 5, 4, 4]\nb = layer_norm(eps=0.01)(a) -> [n, 5, 4, 4]\nc = {linear(6)}(b) -> [n, 6, 4, 4]\n"
        f"d = {conv(out=6, groups=3)}(c) -> [n, 6, 4, 4]\ne = {linear(1)}(d) -> [n, 1, 4, 4]\nf = {linear(7)}(d) -> [n, 7, 4, 4]\n"
        f"g = mul()(f, e) -> [n, 7, 4, 4]\nh = {linear(5)}(g) -> [n, 5, 4, 4]\ni = relu()(h) -> [n, 5, 4, 4]\nj = {linear(3)}(i) -> [n, 3, 4, 4]\noutput y = j\n",
        None,
        ["pad-channels: a stays: b, a layer_norm, needs their number", "pad-channels: c stays: d, a conv2d, splits them into 3 groups",
         "pad-channels: e stays: g, a mul, has others beside them", "pad-channels: f stays: g, a mul, has others beside them",
         "pad-channels: h stays: 8 channels instead of 5 would cost more than they bring",
         "pad-channels: j stays: j leaves the model with its channels"],
    ),
    **{name: ({"k": DropKeyConstants, "v": MoveValueConstants, "s": FoldScale}[which](), before, after, said)
       for name, (which, before, after, said) in ATTENTION.items()},
}  # fmt: skip


def values(program: Program, images: Array) -> list[Array]:
    paths = [path for _, path in program.graph.outputs]
    found = run_all(program.graph, program.weights, images, paths)
    return [found[path] for path in paths]


@pytest.mark.parametrize("name", CASES)
def test_text_in_and_out(name: str) -> None:
    each, before, after, said = CASES[name]
    graph = parsed(HEAD + before, make)
    program = Program.of(graph, {k: v.astype(np.float64) for k, v in arbitrary(graph, 3).items()})
    made, outcomes = run(program, [each])
    assert [str(outcome) for outcome in outcomes] == said
    assert whole_text(made.graph) == whole_text(parsed(HEAD + (after or before), make))
    images = np.random.default_rng(1).normal(size=(2, 4, 4, 4))
    for found, expected in zip(values(made, images), values(program, images), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_a_norm_that_gave_its_scale_has_the_scale_1_and_gives_no_more() -> None:
    _, before, _, _ = CASES["a norm before padding gives its scale"]
    graph = parsed(HEAD + before, make)
    program = Program.of(graph, arbitrary(graph, 3))
    made, _ = run(program, [FoldForward()])
    w = {name: made.weights[f"n.{name}"] for name in ("weight", "running_mean", "running_var")}
    np.testing.assert_array_equal(w["weight"] / np.sqrt(w["running_var"] + 0.001), np.ones(4, np.float32))
    assert not w["running_mean"].any()
    _, (again,) = run(made, [FoldForward()])
    assert not again.done and again.words.endswith("its scale is 1 already")


@pytest.mark.parametrize(
    ("value", "says"), [(0.0, "a scale next to 0 keeps it whole"), (np.nan, "no finite numbers")]
)
def test_a_scale_that_is_none_stays(value: float, says: str) -> None:
    _, before, _, _ = CASES["a norm before padding gives its scale"]
    graph = parsed(HEAD + before, make)
    weights = arbitrary(graph, 3)
    weights["n.weight"][1] = value
    made, (outcome,) = run(Program.of(graph, weights), [FoldForward()])
    assert not outcome.done and says in outcome.words
    assert all(np.array_equal(made.weights[k], v, equal_nan=True) for k, v in weights.items())


def test_weights_are_rounded_once() -> None:
    """Four folds into one kernel: the nearest float32 of what float64 gives, to the last bit."""
    nodes = (
        f"n = {NORM}(input) {TO}\na = {conv(padding=0)}(n) -> [n, 4, 2, 2]\nm = {NORM}(a) -> [n, 4, 2, 2]\n"
    )
    graph = parsed(HEAD + nodes + "s = scale(by=0.3)(m) -> [n, 4, 2, 2]\noutput y = s\n", make)
    single = arbitrary(graph, 4)
    double = {k: v.astype(np.float64) for k, v in single.items()}
    (narrow, _), (wide, _) = (run(Program.of(graph, w), DEPLOY) for w in (single, double))
    assert [node.path for node in narrow.graph.nodes] == ["input", "a"]
    for path, value in wide.weights.items():
        np.testing.assert_array_equal(narrow.weights[path], value.astype(np.float32))


def test_a_block_of_the_paper_has_nothing_left_to_fold() -> None:
    graph = build(load("cmt_nano"))
    made, outcomes = run(Program.of(graph, arbitrary(graph, 1)), DEPLOY)
    nodes = [node for node in made.graph.nodes if below(node.path, "stages.1.blocks.0")]
    kinds = Counter(node.op.kind for node in nodes)
    assert kinds["batch_norm"] == 1 and kinds["scale"] == kinds["drop_path"] == 0
    assert kinds["add"] == 3  # of attention, of the feed-forward network, and the position bias
    affine = [node for node in nodes if node.op.kind == "layer_norm"]
    assert len(affine) == 2 and not any(node.params for node in affine)
    biased = {node.path.rpartition(".")[2]: bool(getattr(node.op, "bias", None)) for node in nodes}
    assert [biased[name] for name in ("q", "reduce", "k", "v", "proj")] == [True, False, False, False, True]
    assert all(outcome.words for outcome in outcomes)


def test_every_flavour_has_its_passes() -> None:
    assert set(FORMS) == {"plain", "ort", "openvino", "ascend"}
    assert all(passes[: len(DEPLOY)] == DEPLOY for passes in FORMS.values())


@pytest.mark.mindspore
@pytest.mark.parametrize("model", ["tests/pico.yaml", "example_attention", "example_parallel"])
def test_mindspore_computes_the_folded_model(model: str) -> None:
    import mindspore as ms

    from cmt_dsl import to_cell

    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)  # nothing to compile
    graph = build(load(model))
    program = Program.of(graph, arbitrary(graph, 2))
    made, _ = run(program, FORMS["ort"])
    images = np.random.default_rng(3).normal(size=(2, *graph.input.type.sizes)).astype(np.float32)
    (expected,) = values(program, images)
    try:
        found = to_cell(made.graph, weights=made.weights).set_train(False)(ms.Tensor(images)).asnumpy()
    finally:
        ms.set_context(mode=before)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
