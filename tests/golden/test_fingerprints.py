"""What checkpoints are held to: a change in these golden files makes trained weights refuse their own spec.

An operator gets a new attribute as a field that is `cmt_dsl.ir.LATER`, which leaves every line below as it is.
"""

from __future__ import annotations

from cmt_dsl import build, load
from cmt_dsl.ir import signature
from cmt_dsl.ops import make
from tests.golden.files import compare
from tests.ops.single import samples
from tests.tiny import MODELS, PROFILES, graph_of


def test_fingerprints_of_the_shipped_models() -> None:
    lines = [
        f"{model:18}{profile:10}{build(load(model, set={'profile': profile})).fingerprint}\n"
        for model in MODELS
        for profile in PROFILES
    ]
    compare("fingerprints.txt", "".join(lines))


def test_signatures_of_the_operators() -> None:
    lines = [" ".join([s.op.kind, *(f"{k}={v!r}" for k, v in signature(s.op)[1])]) for s in samples()]
    compare("operators.txt", "\n".join(lines) + "\n")


def test_an_attribute_of_later_counts_only_where_it_says_something() -> None:
    given = {"out": 4, "kernel": 3, "padding": 1, "bias": True, "init": "zeros"}
    assert "dilation" not in dict(signature(make("conv2d", given))[1])
    assert signature(make("conv2d", {**given, "dilation": 1})) == signature(make("conv2d", given))
    assert dict(signature(make("conv2d", {**given, "dilation": [1, 2]}))[1])["dilation"] == (1, 2)


def test_a_spelling_changes_nothing() -> None:
    node = "c: {op: conv2d, out: 4, kernel: %s, padding: %s, stride: %s}"
    plain = graph_of(node % (3, 1, 2)).fingerprint
    assert graph_of(node % ("[3, 3]", "[1, $2 // 2]", "[2, 2]")).fingerprint == plain
    assert graph_of(node % ("[3, 1]", "[1, 0]", 2)).fingerprint != plain
    scale = "p: {op: parameter, shape: [3, 1, 1], init: %s}\ny: {op: mul, in: [x, p]}"
    assert graph_of(scale % "ones").fingerprint == graph_of(scale % 1).fingerprint
    assert graph_of(scale % 0.1).fingerprint != graph_of(scale % 0.2).fingerprint
