"""Batch norm into the layer before it: text in, text out, and equal numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from cmt_dsl import Graph, build, load
from cmt_dsl.ir import Array, Program, parsed, whole_text
from cmt_dsl.lower.mindspore.source import source
from cmt_dsl.lower.numpy import run as logits
from cmt_dsl.ops import make
from cmt_dsl.passes import DEPLOY, FoldNorm, run
from cmt_dsl.spec import names

HEAD = "input = input(channels=3, height=8, width=8)() -> [n, 3, 8, 8]\n"
NORM = "batch_norm(eps=0.001, momentum=0.1)"
CONV = "conv2d(out=4, kernel=3, padding=1, bias=False, init='he_fan_out')"
BIASED = CONV.replace("False", "True")
TO = "-> [n, 4, 8, 8]"

CASES = {
    "a convolution gets a bias": (
        f"conv = {CONV}(input) {TO}\nnorm = {NORM}(conv) {TO}\nact = relu()(norm) {TO}\noutput y = act\n",
        f"conv = {BIASED}(input) {TO}\nact = relu()(conv) {TO}\noutput y = act\n",
        ["fold-norm: norm: into conv"],
    ),
    "the block ends with its convolution, and the output moves": (
        f"scope unit b(x=input) -> b.norm\n{HEAD}b.conv = {BIASED}(input) {TO}\nb.norm = {NORM}(b.conv) {TO}\noutput y = b.norm\n",
        f"scope unit b(x=input) -> b.conv\n{HEAD}b.conv = {BIASED}(input) {TO}\noutput y = b.conv\n",
        ["fold-norm: b.norm: into b.conv"],
    ),
    "across blocks": (
        f"scope unit b(x=input) -> b.conv\nscope end e(x=b.conv) -> e.act\n{HEAD}b.conv = {CONV}(input) {TO}\n"
        f"e.norm = {NORM}(b.conv) {TO}\ne.act = relu()(e.norm) {TO}\noutput y = e.act\n",
        f"scope unit b(x=input) -> b.conv\nscope end e(x=b.conv) -> e.act\n{HEAD}b.conv = {BIASED}(input) {TO}\n"
        f"e.act = relu()(b.conv) {TO}\noutput y = e.act\n",
        ["fold-norm: e.norm: into b.conv"],
    ),
    "two in a row": (
        f"conv = {CONV}(input) {TO}\nnorm = {NORM}(conv) {TO}\nagain = {NORM}(norm) {TO}\noutput y = again\n",
        f"conv = {BIASED}(input) {TO}\noutput y = conv\n",
        ["fold-norm: norm: into conv", "fold-norm: again: into conv"],
    ),
    "a layer scale needs no bias, a sum brings one": (
        f"g = parameter(shape=(4, 1, 1), init=0.1, decay=False)() -> [4, 1, 1]\nconv = {CONV}(input) {TO}\n"
        f"small = mul()(g, conv) {TO}\nact = relu()(small) {TO}\nsecond = {CONV}(act) {TO}\nless = sub()(g, second) {TO}\n"
        "output y = less\n",
        f"conv = {CONV}(input) {TO}\nact = relu()(conv) {TO}\nsecond = {BIASED}(act) {TO}\noutput y = second\n",
        ["fold-norm: small: into conv", "fold-norm: less: into second"],
    ),
    "two norms behind an activation are one": (
        f"conv = {CONV}(input) {TO}\nact = relu()(conv) {TO}\nnorm = {NORM}(act) {TO}\nagain = {NORM}(norm) {TO}\noutput y = again\n",
        f"conv = {CONV}(input) {TO}\nact = relu()(conv) {TO}\nnorm = {NORM}(act) {TO}\noutput y = norm\n",
        ["fold-norm: norm stays: it reads act, a relu, which has no weights to take it in", "fold-norm: again: into norm"],
    ),
    "a linear layer": (
        f"fc = linear(out=4, bias=False, init='trunc_normal_02')(input) {TO}\nnorm = {NORM}(fc) {TO}\noutput y = norm\n",
        f"fc = linear(out=4, bias=True, init='trunc_normal_02')(input) {TO}\noutput y = fc\n",
        ["fold-norm: norm: into fc"],
    ),
    "a convolution that others read": (
        f"conv = {CONV}(input) {TO}\nnorm = {NORM}(conv) {TO}\nsum = add()(norm, conv) {TO}\noutput y = sum\n",
        None,
        ["fold-norm: norm stays: conv is read by others too"],
    ),
    "a convolution that is an output": (
        f"conv = {CONV}(input) {TO}\nnorm = {NORM}(conv) {TO}\noutput y = norm\noutput map = conv\n",
        None,
        ["fold-norm: norm stays: conv is read by others too"],
    ),
    "an activation between": (
        f"conv = {CONV}(input) {TO}\nact = relu()(conv) {TO}\nnorm = {NORM}(act) {TO}\noutput y = norm\n",
        None,
        ["fold-norm: norm stays: it reads act, a relu, which has no weights to take it in"],
    ),
}  # fmt: skip


def whole(text: str) -> str:
    return f"graph g\n{text}" if HEAD in text else f"graph g\n{HEAD}{text}"


def weights(graph: Graph, seed: int = 0, dtype: type = np.float64) -> dict[str, Array]:
    """Random ones, norms and running statistics too; variances above 0."""
    rng = np.random.default_rng(seed)

    def one(path: str, shape: tuple[int, ...]) -> Array:
        if path.endswith("running_var"):
            return rng.uniform(0.2, 3.0, shape)
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 1
        return rng.normal(size=shape) / np.sqrt(fan_in)

    return {info.path: one(info.path, info.shape).astype(dtype) for info in graph.params}


@pytest.mark.parametrize("name", CASES)
def test_text_in_and_out(name: str) -> None:
    before, after, said = CASES[name]
    graph = parsed(whole(before), make)
    program = Program.of(graph, weights(graph))
    made, outcomes = run(program, [FoldNorm()])
    assert whole_text(made.graph) == whole(after or before)
    assert [str(outcome) for outcome in outcomes] == said
    assert made.source == graph.fingerprint
    images = np.random.default_rng(1).normal(size=(2, 3, 8, 8))
    expected = logits(graph, program.weights, images)
    np.testing.assert_allclose(logits(made.graph, made.weights, images), expected, rtol=1e-12, atol=1e-12)
    assert program.graph == graph and set(program.weights) == {p.path for p in graph.params}  # as it was


@pytest.mark.parametrize("model", names("models"))
def test_shipped_models_keep_their_logits_and_every_norm_is_accounted_for(model: str) -> None:
    size = {"input.size": 64} if model in ("cmt_ti", "cmt_xs", "cmt_s", "cmt_b") else {}
    graph = build(load(model, set=size))
    program = Program.of(graph, weights(graph, dtype=np.float32))
    made, outcomes = run(program, [FoldNorm()])
    kinds = [Counter(node.op.kind for node in g.nodes)["batch_norm"] for g in (graph, made.graph)]
    done = [outcome for outcome in outcomes if outcome.done]
    assert len(outcomes) == kinds[0] and len(outcomes) - len(done) == kinds[1] and done
    assert all(outcome.words for outcome in outcomes)
    images = np.random.default_rng(2).normal(size=(2, *graph.input.type.sizes)).astype(np.float32)
    before, after = (logits(p.graph, p.weights, images) for p in (program, made))
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()
    compile(source(made.graph), "generated", "exec")
    assert whole_text(parsed(whole_text(made.graph), make)) == whole_text(made.graph)


def test_a_variance_that_is_no_number_keeps_its_norm() -> None:
    graph = parsed(whole(CASES["two in a row"][0]), make)
    given = {**weights(graph), "norm.running_var": np.full(4, -1.0)}
    with np.errstate(invalid="ignore"):
        made, outcomes = run(Program.of(graph, given), [FoldNorm()])
    assert [o.done for o in outcomes] == [False, True] and "no finite numbers" in outcomes[0].words
    assert [node.path for node in made.graph.nodes] == ["input", "conv", "norm"]


@pytest.mark.mindspore
def test_mindspore_computes_the_folded_model() -> None:
    import mindspore as ms

    from cmt_dsl import to_cell

    graph = build(load("cmt_nano"))
    program = Program.of(graph, weights(graph, dtype=np.float32))
    made, _ = run(program, DEPLOY)
    images = np.random.default_rng(3).normal(size=(2, 3, 32, 32)).astype(np.float32)
    cell = to_cell(made.graph, weights=made.weights).set_train(False)
    expected = logits(program.graph, program.weights, images)
    found = cell(ms.Tensor(images)).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
