"""What needs MindSpore: the optimiser against NumPy, the step Cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_adamw_is_adamw(mode: str) -> None:
    import mindspore as ms

    from runtime.device.environment import set_device
    from runtime.recipe.schema import DeviceGroup
    from runtime.training.optim import AdamW

    set_device(DeviceGroup(mode=mode))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    shapes, decayed = [(3, 4), (5,), (2, 3, 3, 3), (1,)], [True, False, True, False]
    start = [rng.normal(size=s).astype(np.float32) for s in shapes]
    weights = [ms.Parameter(ms.Tensor(a.copy()), name=f"p{i}") for i, a in enumerate(start)]
    optimizer = AdamW(weights, decayed, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.05)
    w, m, v = ([a.astype(np.float64) * k for a in start] for k in (1, 0, 0))
    for t in range(1, 6):
        lr, gradients = 1e-2 * t, [rng.normal(size=s).astype(np.float32) for s in shapes]
        optimizer(tuple(ms.Tensor(g) for g in gradients), ms.Tensor(lr, ms.float32))
        for i, g in enumerate(gradients):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g.astype(np.float64) ** 2
            step = m[i] / (1 - 0.9**t) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
            w[i] -= lr * (step + 0.05 * decayed[i] * w[i])
    for parameter, expected in zip(weights, w, strict=True):
        np.testing.assert_allclose(parameter.asnumpy(), expected, rtol=0, atol=1e-6)
    assert int(optimizer.steps.asnumpy()) == 5


def _stepped(clip: float | None, scale: Any, images: np.ndarray) -> tuple[np.ndarray, float, bool, Any]:
    """Weights of a small Dense model after one step, its loss, whether the step counted, and the step Cell."""
    import mindspore as ms
    from mindspore import nn

    from runtime.data.mixing import soft_targets
    from runtime.device.environment import set_device
    from runtime.recipe.schema import DeviceGroup
    from runtime.training.optim import AdamW
    from runtime.training.step import ScaledTrainStep, TrainStep

    set_device(DeviceGroup(mode="graph"))
    net = nn.Dense(
        4, 3, weight_init=ms.Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)), bias_init="zeros"
    )
    optimizer = AdamW(
        net.trainable_params(), [True, False], beta1=0.9, beta2=0.999, eps=1e-1, weight_decay=0.0
    )
    step = TrainStep(net, optimizer, clip) if scale is None else ScaledTrainStep(net, optimizer, clip, scale)
    targets = soft_targets(np.array([0, 1, 2, 1]), 3, 0.1)
    loss, applied = step.set_train()(ms.Tensor(images), ms.Tensor(targets), ms.Tensor(0.1, ms.float32))
    return np.array(net.weight.asnumpy()), float(loss.asnumpy()), bool(applied.asnumpy()), step


def test_loss_scale_changes_nothing_but_skips_overflow() -> None:
    from runtime.recipe.schema import LossScale

    images = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    plain, loss, _, _ = _stepped(None, None, images)
    scaled, loss_scaled, applied, step = _stepped(None, LossScale(initial=1024, window=1), images)
    np.testing.assert_allclose(scaled, plain, atol=1e-6)
    assert applied and loss_scaled == pytest.approx(loss, abs=1e-6)
    assert float(step.scale.asnumpy()) == 2048  # window of one step: it doubles

    images[0, 0] = np.inf
    kept, _, applied, step = _stepped(None, LossScale(initial=1024, window=1), images)
    np.testing.assert_array_equal(kept, np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    assert not applied and float(step.scale.asnumpy()) == 512 and int(step.optimizer.steps.asnumpy()) == 0


def test_clipping_shortens_the_first_moment() -> None:
    from runtime.recipe.schema import LossScale

    images = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)

    def norm(clip: float | None, scale: Any) -> float:
        moments = _stepped(clip, scale, images)[3].optimizer.m
        return float(np.sqrt(sum((m.asnumpy() ** 2).sum() for m in moments))) / 0.1

    assert norm(None, None) > 0.2
    assert norm(0.01, None) == pytest.approx(0.01, rel=1e-3)
    assert norm(0.01, LossScale(initial=4096, window=9)) == pytest.approx(0.01, rel=1e-3)
    assert norm(1e6, None) == pytest.approx(norm(None, None), rel=1e-5)
