"""Every optimiser against its formula in NumPy, with decay groups and layer factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore

SHAPES = [(3, 4), (5,), (2, 3, 3, 3), (1,)]
DECAYED = [True, False, True, False]
FACTORS = [1.0, 0.65, 0.25, 1.0]
State = dict[str, Any]


def adamw(w: Any, g: Any, lr: float, decay: float, t: int, s: State) -> Any:
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
    step = s["m"] / (1 - 0.9**t) / (np.sqrt(s["v"] / (1 - 0.99**t)) + 1e-6)
    return w - lr * (step + decay * w)


def lamb(w: Any, g: Any, lr: float, decay: float, t: int, s: State) -> Any:
    step = w - adamw(w, g, 1.0, decay, t, s)
    if not decay:
        return w - lr * step
    return w - lr * np.linalg.norm(w) / np.linalg.norm(step) * step


def sgd(w: Any, g: Any, lr: float, decay: float, t: int, s: State) -> Any:
    s["v"] = 0.9 * s.get("v", 0) + g + decay * w
    return w - lr * s["v"]


def nesterov(w: Any, g: Any, lr: float, decay: float, t: int, s: State) -> Any:
    g = g + decay * w
    s["v"] = 0.9 * s.get("v", 0) + g
    return w - lr * (g + 0.9 * s["v"])


def descent(w: Any, g: Any, lr: float, decay: float, t: int, s: State) -> Any:
    return w - lr * (g + decay * w)


MOMENTS = {"betas": [0.9, 0.99], "eps": 1e-6}
CASES: list[tuple[dict[str, Any], Callable[..., Any]]] = [
    ({"name": "adamw", **MOMENTS}, adamw),
    ({"name": "lamb", **MOMENTS}, lamb),
    ({"name": "sgd", "momentum": 0.9}, sgd),
    ({"name": "sgd", "momentum": 0.9, "nesterov": True}, nesterov),
    ({"name": "sgd", "momentum": 0.0}, descent),
]


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize(("fields", "formula"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_an_optimiser_is_its_formula(mode: str, fields: dict[str, Any], formula: Callable[..., Any]) -> None:
    import mindspore as ms

    from runtime.device.environment import set_device
    from runtime.engines.mindspore.optimisers.choose import make_optimizer
    from runtime.recipe.read import load_recipe
    from runtime.recipe.schema import DeviceGroup

    set_device(DeviceGroup(mode=mode))  # type: ignore[arg-type]
    plain = load_recipe("digits").resolved()
    group = (
        type(load_recipe("digits"))
        .model_validate({**plain, "optimizer": {**fields, "weight_decay": 0.1}})
        .optimizer
    )
    rng = np.random.default_rng(0)
    start = [rng.normal(size=s).astype(np.float32) for s in SHAPES]
    weights = [ms.Parameter(ms.Tensor(a.copy()), name=f"p{i}") for i, a in enumerate(start)]
    optimizer = make_optimizer(group, weights, DECAYED, FACTORS)
    expected, states = [a.astype(np.float64) for a in start], [State() for _ in start]
    for t in range(1, 6):
        lr, gradients = 1e-2 * t, [rng.normal(size=s).astype(np.float32) for s in SHAPES]
        optimizer(tuple(ms.Tensor(g) for g in gradients), ms.Tensor(lr, ms.float32))
        for i, g in enumerate(gradients):
            rate, decay = lr * FACTORS[i], 0.1 * DECAYED[i]
            expected[i] = formula(expected[i], g.astype(np.float64), rate, decay, t, states[i])
    for parameter, value in zip(weights, expected, strict=True):
        np.testing.assert_allclose(parameter.asnumpy(), value, rtol=0, atol=2e-6)


def test_lamb_leaves_a_tensor_of_zeros_free_to_move() -> None:
    import mindspore as ms

    from runtime.engines.mindspore.optimisers.lamb import Lamb

    weight = ms.Parameter(ms.Tensor(np.zeros(3, np.float32)), name="w")
    optimizer = Lamb([weight], [True], beta1=0.9, beta2=0.99, eps=1e-6, weight_decay=0.1)
    optimizer((ms.Tensor([1.0, -2.0, 0.0], ms.float32),), ms.Tensor(0.1, ms.float32))
    np.testing.assert_allclose(weight.asnumpy(), [-0.1, 0.1, 0.0], atol=1e-6)  # trust ratio 1
