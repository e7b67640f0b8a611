"""The compiled kernels compute what NumPy does, and their gradients are those of it, in any shape and on any threads."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Generator

import numpy as np
import pytest

from cmt_dsl.ir import Arrays
from cmt_dsl.ops import make
from tests.lower.kernel_calls import call, code, draw, library
from tests.tiny import ROOT

pytestmark = pytest.mark.mindspore

WIDE = np.concatenate([np.linspace(-12, 12, 9601), [-1e4, -30, -1e-30, 0, 1e-30, 30, 1e4]]).astype(np.float32)
PLANES = [
    (2, 3, 5, 7, 3, 3), (1, 1, 1, 1, 3, 3), (3, 5, 56, 56, 3, 3), (2, 4, 7, 7, 3, 3), (2, 3, 9, 4, 1, 7),
    (2, 2, 11, 13, 5, 5), (1, 2, 3, 3, 7, 7), (1, 2, 40, 33, 3, 1), (2, 3, 8, 9, 1, 1), (1, 1, 2, 300, 9, 11),
    (1, 2, 6, 6, 5, 1),
]  # fmt: skip
MAPS = [(2, 6, 20), (1, 2, 1), (3, 64, 3136), (2, 46, 784), (2, 184, 49), (1, 7, 65), (1, 3, 513)]


def value(form: str, x: np.ndarray) -> np.ndarray:
    """GELU in float64, of the definition."""
    x = x.astype(np.float64)
    if form == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


@pytest.mark.parametrize("form", ["erf", "tanh"])
def test_gelu(form: str) -> None:
    (y,) = call(f"gelu_{form}", WIDE)
    np.testing.assert_allclose(y, value(form, WIDE), rtol=2e-7, atol=8e-7)
    dy = draw(*WIDE.shape)
    (dx,) = call(f"gelu_{form}_gradient", WIDE, dy)
    x, h = WIDE.astype(np.float64), 1e-5
    slope = (value(form, x + h) - value(form, x - h)) / (2 * h)
    np.testing.assert_allclose(dx, dy * slope, rtol=1e-6, atol=3e-6 * np.abs(dy).max())


@pytest.mark.parametrize("form", ["erf", "tanh"])
def test_gelu_of_what_is_no_number(form: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-45], np.float32)
    with np.errstate(all="ignore"):
        expected = make("gelu", {"form": form}).numpy({}, x)
    (y,) = call(f"gelu_{form}", x)
    np.testing.assert_array_equal(np.isnan(y), [True, False, True, False, False, False])
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-37)
    (dx,) = call(f"gelu_{form}_gradient", x, np.ones_like(x))
    assert np.isnan(dx[:3]).all()  # as the formula has it: infinity times a slope of zero
    np.testing.assert_allclose(dx[3:], [1, 0, 0.5], atol=1e-6)


def reference(weights: Arrays, x: np.ndarray, *, residual: bool = False) -> np.ndarray:
    c, (kh, kw) = x.shape[1], weights["weight"].shape[2:]
    options = {"kernel": (kh, kw), "padding": (kh // 2, kw // 2), "bias": True, "init": "zeros"}
    y = make("conv2d", {"out": c, "groups": c, **options}).numpy(weights, x)
    return y + x if residual else y


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("shape", PLANES)
def test_depthwise(shape: tuple[int, ...], residual: bool) -> None:
    n, c, h, w, kh, kw = shape
    x, weight, bias, dy = draw(n, c, h, w), draw(c, 1, kh, kw), draw(c), draw(n, c, h, w, seed=1)
    name = "depthwise_residual" if residual else "depthwise"
    (y,) = call(name, x, weight, bias)
    wide = {"weight": weight.astype(np.float64), "bias": bias.astype(np.float64)}
    expected = reference(wide, x.astype(np.float64), residual=residual)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6 * np.abs(expected).max())

    dx, dweight, dbias = call(f"{name}_gradient", x, weight, dy)
    u, v, b = draw(n, c, h, w, seed=2), draw(c, 1, kh, kw, seed=2), draw(c, seed=2)
    zero = {"weight": weight * 0.0, "bias": bias * 0.0}
    for (
        found,
        along,
        moved,
    ) in (  # linear in each: the gradient's product with a direction is dy's with its image
        (dx, u, reference({**wide, "bias": bias * 0.0}, u.astype(np.float64), residual=residual)),
        (dweight, v, reference({**zero, "weight": v.astype(np.float64)}, x.astype(np.float64))),
        (dbias, b, reference({**zero, "bias": b.astype(np.float64)}, x * 0.0)),
    ):
        wanted = (dy * moved).sum()
        assert abs((found.astype(np.float64) * along).sum() - wanted) < 2e-6 * np.abs(dy * moved).sum() + 1e-6


def test_depthwise_spreads_what_is_no_number_as_numpy_does() -> None:
    x, weight, bias = draw(1, 3, 9, 9), draw(3, 1, 3, 3), draw(3)
    x[0, 0, 4, 8], x[0, 1, 0, 0], x[0, 2, 8, 3] = np.nan, np.inf, -np.inf
    (y,) = call("depthwise", x, weight, bias)
    with np.errstate(all="ignore"):
        expected = reference({"weight": weight, "bias": bias}, x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    dx, dweight, dbias = call("depthwise_gradient", draw(1, 3, 9, 9), weight, x)
    flipped = {"weight": weight[:, :, ::-1, ::-1], "bias": bias * 0}
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(dx, reference(flipped, x), rtol=1e-5, atol=1e-6)
    assert not np.isfinite(dbias).any() and not np.isfinite(dweight[0]).any()


def norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> np.ndarray:
    y = make("layer_norm", {"eps": eps}).numpy({"weight": gamma, "bias": beta}, x[..., None])
    return y[..., 0]


@pytest.mark.parametrize("shape", MAPS)
def test_channel_norm(shape: tuple[int, ...]) -> None:
    c = shape[1]
    x, gamma, beta, dy = 2 * draw(*shape) + 3, draw(c), draw(c, seed=1), draw(*shape, seed=1)
    eps = np.array([1e-3], np.float32)
    (y,) = call("channel_norm", x, gamma, beta, eps)
    wide = [a.astype(np.float64) for a in (x, gamma, beta)]
    expected = norm(*wide, float(eps[0]))
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6 * np.abs(expected).max())

    found = call("channel_norm_gradient", x, gamma, eps, dy)
    for i, gradient in enumerate(found):
        for seed in (5, 6):
            along, h = draw(*wide[i].shape, seed=seed).astype(np.float64), 1e-4
            ends = []
            for step in (h, -h):
                moved = [a + step * along if j == i else a for j, a in enumerate(wide)]
                ends.append(norm(*moved, float(eps[0])))
            wanted = dy * (ends[0] - ends[1]) / (2 * h)
            assert abs((gradient * along).sum() - wanted.sum()) < 3e-6 * np.abs(wanted).sum() + 1e-5


def test_channel_norm_of_what_is_no_number_touches_its_position_alone() -> None:
    x, gamma, beta, eps = draw(2, 5, 70), draw(5), draw(5), np.array([1e-6], np.float32)
    x[0, 1, 3], x[1, 0, 69] = np.nan, np.inf
    dy = draw(2, 5, 70, seed=1)
    for y in (
        call("channel_norm", x, gamma, beta, eps)[0],
        call("channel_norm_gradient", x, gamma, eps, dy)[0],
    ):
        bad = np.argwhere(~np.isfinite(y).all(1)).tolist()
        assert bad == [[0, 3], [1, 69]]
    with np.errstate(all="ignore"):
        expected = norm(x, gamma, beta, 1e-6)
    np.testing.assert_allclose(call("channel_norm", x, gamma, beta, eps)[0], expected, rtol=1e-4, atol=1e-5)


def everything() -> list[np.ndarray]:
    x, weight, c = draw(4, 32, 30, 31), draw(32, 1, 3, 3), draw(32)
    dy, eps = draw(*x.shape, seed=1), np.array([1e-6], np.float32)
    flat, slope = x.reshape(4, 32, -1), dy.reshape(4, 32, -1)
    calls: list[tuple[str, tuple[np.ndarray, ...]]] = [
        *((f"gelu_{form}", (x,)) for form in ("erf", "tanh")),
        *((f"gelu_{form}_gradient", (x, dy)) for form in ("erf", "tanh")),
        *((f"depthwise{kind}", (x, weight, c)) for kind in ("", "_residual")),
        *((f"depthwise{kind}_gradient", (x, weight, dy)) for kind in ("", "_residual")),
        ("channel_norm", (flat, c, c, eps)),
        ("channel_norm_gradient", (flat, c, eps, slope)),
    ]
    return [array for name, inputs in calls for array in call(name, *inputs)]


@pytest.fixture
def on_threads() -> Generator[Callable[[int], None], None, None]:
    yield lambda count: library().cmt_use_threads(count)
    library().cmt_use_threads(0)  # as many as there are processors


def test_bits_do_not_depend_on_the_number_of_threads(on_threads: Callable[[int], None]) -> None:
    on_threads(1)
    alone = everything()
    for count in (2, 5, 3, 0):
        on_threads(count)
        for one, other in zip(alone, everything(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_call_ends_when_its_last_item_is_done(on_threads: Callable[[int], None]) -> None:
    """Of two large items the second begins when a thread has woken up, and so ends after the first."""
    inputs = draw(1, 2, 600, 600), draw(2, 1, 3, 3), draw(2)
    on_threads(1)
    (expected,) = call("depthwise", *inputs)
    on_threads(2)
    for _ in range(100):
        assert call("depthwise", *inputs)[0][0, :, -1].tolist() == expected[0, :, -1].tolist()


def test_callers_at_the_same_time_do_not_disturb_each_other(on_threads: Callable[[int], None]) -> None:
    on_threads(3)
    expected, found = everything(), list[list[np.ndarray]]()
    threads = [
        threading.Thread(target=lambda: found.extend(everything() for _ in range(5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 20
    assert all((one == other).all() for run in found for one, other in zip(expected, run, strict=True))


FORKED = """
import os, signal
from tests.lower.test_kernels import everything
before = everything()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if all((a == b).all() for a, b in zip(before, everything())) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_has_no_threads_and_computes_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_what_a_kernel_cannot_serve_is_refused() -> None:
    x, y = draw(1, 2, 4, 4), draw(1, 2, 4, 4)
    bias = draw(2)
    assert code("gelu_erf", [x.astype(np.float64)], [y]) == 1
    assert code("gelu_erf", [x, x], [y]) == 1
    assert code("depthwise", [x, draw(2, 1, 2, 2), bias], [y]) == 1
    assert code("depthwise", [x, draw(3, 1, 3, 3), bias], [y]) == 1
    eps = np.array([1e-6], np.float32)
    assert code("channel_norm", [x, bias, bias, eps], [y]) == 1
    assert code("channel_norm", [x.reshape(2, 1, 16), bias, bias, eps], [y.reshape(2, 1, 16)]) == 1
