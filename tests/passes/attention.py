"""Attention as text: every way to write it that a pass looks for, and what is nearly that."""

from __future__ import annotations

TO, FEW, ROWS = "-> [n, 4, 4, 4]", "-> [n, 2, 2, 16]", "-> [n, 2, 16, 2]"
SCORES = "-> [n, 2, 16, 16]"


def layer(bias: bool = True) -> str:
    return f"linear(out=4, bias={bias}, init='trunc_normal_02')"


def heads(names: str, without: str = "") -> str:
    """Layers of the image and their heads: q, then h_q."""
    return "".join(
        f"{name} = {layer(name not in without)}(input) {TO}\nh_{name} = split_heads(heads=2)({name}) {FEW}\n"
        for name in names
    )


def parameter(name: str, *shape: int) -> str:
    sizes = ", ".join(map(str, shape))
    return f"{name} = parameter(shape=({sizes}), init='normal')() -> [{sizes}]\n"


END = f"merged = merge_heads(height=4, width=4)(mixed) {TO}\nproj = {layer()}(merged) {TO}\noutput y = proj\n"
USUAL = f"scores = matmul(transpose_a=True)(h_q, h_k) {SCORES}\n"
MIXED = f"mixed = matmul(transpose_b=True)(h_v, weights) {FEW}\n"
WEIGHTS = f"weights = softmax()(scores) {SCORES}\n"
TURN = "transpose(axes=('height', 'width'))"
HEIGHT = f"weights = softmax(over='height')(scores) {SCORES}\n"
SHIFTED = (
    f"big = scale(by=2.0)(scores) {SCORES}\nsum = add()(rows, big) {SCORES}\nmore = offset(by=0.5)(sum) {SCORES}\n"
    f"less = sub()(more, rows) {SCORES}\nown = add()(less, keys) {SCORES}\nweights = softmax()(own) {SCORES}\n"
)
WITHOUT = f"big = scale(by=2.0)(scores) {SCORES}\nown = add()(big, keys) {SCORES}\nweights = softmax()(own) {SCORES}\n"
CONSTANTS = parameter("rows", 2, 16, 1) + parameter("keys", 2, 1, 16)

Case = tuple[str, str, str | None, list[str]]
ATTENTION: dict[str, Case] = {
    "the bias of the keys": (
        "k",
        heads("qkv") + USUAL + WEIGHTS + MIXED + END,
        heads("qkv", "k") + USUAL + WEIGHTS + MIXED + END,
        ["drop-key-constants: weights: without k.bias"],
    ),
    "keys first, and softmax over the height": (
        "k",
        heads("qkv") + f"scores = matmul(transpose_a=True)(h_k, h_q) {SCORES}\n{HEIGHT}mixed = matmul()(h_v, weights) {FEW}\n{END}",
        heads("qkv", "k") + f"scores = matmul(transpose_a=True)(h_k, h_q) {SCORES}\n{HEIGHT}mixed = matmul()(h_v, weights) {FEW}\n{END}",
        ["drop-key-constants: weights: without k.bias"],
    ),
    "heads turned before the product": (
        "k",
        heads("qkv") + f"t_q = {TURN}(h_q) {ROWS}\nt_k = {TURN}(h_k) {ROWS}\n"
        f"scores = matmul(transpose_b=True)(t_q, t_k) {SCORES}\n{WEIGHTS}{MIXED}{END}",
        heads("qkv", "k") + f"t_q = {TURN}(h_q) {ROWS}\nt_k = {TURN}(h_k) {ROWS}\n"
        f"scores = matmul(transpose_b=True)(t_q, t_k) {SCORES}\n{WEIGHTS}{MIXED}{END}",
        ["drop-key-constants: weights: without k.bias"],
    ),
    "all that is the same for all keys, one after another": (
        "k",
        heads("qkv") + CONSTANTS + USUAL + SHIFTED + MIXED + END,
        heads("qkv", "k") + parameter("keys", 2, 1, 16) + USUAL + WITHOUT + MIXED + END,
        ["drop-key-constants: weights: without k.bias, rows, more, rows"],
    ),
    "softmax over the channels of the heads": (
        "k",
        heads("qkv") + "scores = matmul(transpose_b=True)(h_q, h_k) -> [n, 2, 2, 2]\nweights = softmax()(scores) -> [n, 2, 2, 2]\n"
        f"mixed = matmul()(weights, h_v) {FEW}\n{END}",
        None,
        ["drop-key-constants: weights stays: nothing it is blind to is added before it"],
    ),
    "keys that values are too": (
        "k",
        heads("qk") + USUAL + WEIGHTS + f"mixed = matmul(transpose_b=True)(h_k, weights) {FEW}\n" + END,
        None,
        ["drop-key-constants: weights stays: nothing it is blind to is added before it"],
    ),
    "queries that keys are too": (
        "k",
        heads("qv") + f"scores = matmul(transpose_a=True)(h_q, h_q) {SCORES}\n" + WEIGHTS + MIXED + END,
        None,
        ["drop-key-constants: weights stays: nothing it is blind to is added before it"],
    ),
    "scores that leave the model": (
        "k",
        heads("qkv") + USUAL + WEIGHTS + MIXED + END + "output scores = scores\n",
        None,
        ["drop-key-constants: weights stays: nothing it is blind to is added before it"],
    ),
    "the bias of the values": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + MIXED + END,
        heads("qkv", "v") + USUAL + WEIGHTS + MIXED + END,
        ["move-value-constants: mixed: v.bias into proj"],
    ),
    "values second, turned back": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + f"rows = matmul(transpose_b=True)(weights, h_v) {ROWS}\nmixed = {TURN}(rows) {FEW}\n" + END,
        heads("qkv", "v") + USUAL + WEIGHTS + f"rows = matmul(transpose_b=True)(weights, h_v) {ROWS}\nmixed = {TURN}(rows) {FEW}\n" + END,
        ["move-value-constants: rows: v.bias into proj"],
    ),
    "weights that do not sum to 1 where they are summed": (
        "v",
        heads("qkv") + USUAL + HEIGHT + MIXED + END,
        None,
        ["move-value-constants: mixed stays: the weights do not sum to 1 along what it sums over"],
    ),
    "values behind an activation": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + f"act = relu()(h_v) {FEW}\nmixed = matmul(transpose_b=True)(act, weights) {FEW}\n" + END,
        None,
        ["move-value-constants: mixed stays: the values come from act, which is no layer's own tokens"],
    ),
    "values without a bias": (
        "v",
        heads("qkv", "v") + USUAL + WEIGHTS + MIXED + END,
        None,
        ["move-value-constants: mixed stays: v has no bias"],
    ),
    "what is mixed goes on to no layer": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + MIXED + f"merged = merge_heads(height=4, width=4)(mixed) {TO}\nact = relu()(merged) {TO}\noutput y = act\n",
        None,
        ["move-value-constants: mixed stays: act, a relu, reads it, which has no weights to take it in"],
    ),
    "what is mixed meets a border": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + MIXED + f"merged = merge_heads(height=4, width=4)(mixed) {TO}\n"
        f"proj = conv2d(out=4, kernel=3, padding=1, bias=True, init='he_fan_out')(merged) {TO}\noutput y = proj\n",
        None,
        ["move-value-constants: mixed stays: proj has padding: the border sees zeros, not the shift"],
    ),
    "an activation on the mixed heads": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + f"sum = matmul(transpose_b=True)(h_v, weights) {FEW}\nmixed = relu()(sum) {FEW}\n" + END,
        None,
        ["move-value-constants: sum stays: mixed, a relu, does not take heads together as they were split"],
    ),
    "mixed heads that two read": (
        "v",
        heads("qkv") + USUAL + WEIGHTS + f"one = matmul(transpose_b=True)(h_v, weights) {FEW}\nmixed = add()(one, h_q) {FEW}\n" + END + "output one = one\n",
        None,
        ["move-value-constants: one stays: one is read by others too"],
    ),
    "the number of attention into the first of the smallest": (
        "s",
        heads("qkv") + f"raw = matmul(transpose_a=True)(h_q, h_k) {SCORES}\nscores = scale(by=0.25)(raw) {SCORES}\n" + WEIGHTS + MIXED + END,
        heads("qkv") + f"raw = matmul(transpose_a=True)(h_q, h_k) {SCORES}\nweights = softmax()(raw) {SCORES}\n" + MIXED + END,
        ["fold-scale: scores: 0.25 into q"],
    ),
}  # fmt: skip
