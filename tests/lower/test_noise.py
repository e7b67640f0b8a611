"""Drop path's random numbers: a function of key and step, uniform, and unlike each other."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore


def expected(key: np.ndarray, step: int, n: int) -> np.ndarray:
    primes = np.array([23159, 23143])
    s = (step % primes * key[0] + key[1]) % primes
    i = np.arange(n)
    b = (i % 23159 + s[0]) ** 3 % 23159 + (i // 23159 + s[1]) % 23159
    return (b**3 % 23159).astype(np.float32) / np.float32(23159)


def keys(count: int) -> list[np.ndarray]:
    return [np.random.default_rng([0, k]).integers(1, 23143, (2, 2)) for k in range(count)]


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_numbers_are_a_function_of_key_and_step(mode: str) -> None:
    import mindspore as ms

    from cmt_dsl.lower.mindspore.cells.elementwise import Noise

    ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
    try:
        noise, (key,) = Noise(), keys(1)
        noise.key.set_data(ms.Tensor(key.astype(np.int32)))
        for start in (0, 2**31 - 9):
            noise.step.set_data(ms.Tensor(np.int32(start)))
            for step in range(start + 1, start + 4):
                np.testing.assert_array_equal(noise(50_000).asnumpy(), expected(key, step, 50_000))
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)


def test_draws_are_uniform_and_independent() -> None:
    for n in (8, 128, 60_000):
        draws = np.array([[expected(k, t, n) for t in range(1, 1 + 40_000 // min(n, 1000))] for k in keys(3)])
        assert draws.min() >= 0 and draws.max() < 1
        shares = np.histogram(draws, 20, (0, 1))[0] / draws.size
        np.testing.assert_allclose(shares, 0.05, atol=0.05 * 5 / np.sqrt(draws.size / 20))
        u = draws - 0.5
        limit = 5 / np.sqrt(u[0].size) / 12  # five standard errors of a product's mean
        assert abs((u[:, :, 1:] * u[:, :, :-1]).mean()) < limit, "neighbouring samples"
        assert abs((u[:, 1:] * u[:, :-1]).mean()) < limit, "successive steps"
        assert abs((u[0] * u[1]).mean()) < limit and abs((u[1] * u[2]).mean()) < limit, "instances"
        dropped = (draws < 0.1).mean(axis=(0, 2))  # per step: a binomial count spreads as one
        if n < 23159:  # more elements than the prime are stratified: they spread less
            assert dropped.std() == pytest.approx(np.sqrt(0.09 / (3 * n)), rel=0.35)
