"""What measures the peak computes a product, in the precision that it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.deploy.bench import matmul
from runtime.deploy.bench.contender import LIMITING
from runtime.deploy.bench.serve import Unusable

SIZE = 64
ALLOWED = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 3e-2, "int8": 0.1}
"""Of the largest value. int8 also cuts off what is beyond four standard deviations."""
CANDIDATES = [
    (each.by, each.precision) for each in matmul.candidates(("float32", "float16", "bfloat16", "int8"))
]


def test_numpy_is_always_there() -> None:
    assert ("numpy", "float32") in CANDIDATES


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its child is: what MindSpore needs would make OpenVINO slow, or fail."""
    for name in LIMITING:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("library", "precision"), CANDIDATES)
def test_a_product(monkeypatch: pytest.MonkeyPatch, library: str, precision: str) -> None:
    monkeypatch.setattr(matmul, "SIZES", (SIZE,))
    job = {"library": library, "precision": precision, "threads": 1}
    try:
        with matmul.product(job) as work:
            found: Any = work.call()
    except Unusable as reason:
        assert precision != "float32"
        pytest.skip(str(reason))
    values = np.asarray(found if library == "numpy" else found[0])
    exact = matmul._square(SIZE, 0) @ matmul._square(SIZE, 1)
    assert np.abs(values - exact).max() <= ALLOWED[precision] * np.abs(exact).max()
    assert work.facts["macs"] == SIZE**3


def test_another_precision_than_was_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "_precisions", lambda compiled: "f32")
    with pytest.raises(Unusable, match="computes bfloat16 products in f32"):
        matmul._openvino(SIZE, "bfloat16", 1)
