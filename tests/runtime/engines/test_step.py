"""The step Cell on a small dense model, against the same step written in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mindspore

RATES = (0.1, 0.2, 0.05, 0.1)
START = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def _step(mode: str = "graph", **options: Any) -> Any:
    """A TrainStep with plain momentum over a dense layer, 4 features to 3 classes; and its weight and bias."""
    import mindspore as ms
    from mindspore import nn

    from runtime.device.environment import set_device
    from runtime.engines.mindspore.optimisers.sgd import Sgd
    from runtime.engines.mindspore.step import TrainStep
    from runtime.recipe.schema import DeviceGroup

    set_device(DeviceGroup(mode=mode))  # type: ignore[arg-type]
    net = nn.Dense(4, 3, weight_init=ms.Tensor(START), bias_init="zeros")
    weights = net.trainable_params()
    optimizer = Sgd(weights, [True, False], momentum=0.9, nesterov=False, weight_decay=0.01)
    if "average" in options:
        from runtime.engines.mindspore.average import Average

        options["average"] = Average(dict(zip(("w", "b"), weights, strict=True)), **options["average"])
    return TrainStep(net, optimizer, **options).set_train()


def _batches(count: int, size: int = 8) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(3)
    images = rng.normal(size=(count, size, 4)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (count, size))]
    return list(zip(images, targets, strict=True))


def _run(step: Any, batches: list[tuple[np.ndarray, np.ndarray]], rates: tuple[float, ...]) -> list[bool]:
    import mindspore as ms

    results = []
    for (images, targets), rate in zip(batches, rates, strict=True):
        results.append(step(ms.Tensor(images), ms.Tensor(targets), ms.Tensor(rate, ms.float32)))
    return [bool(applied.asnumpy()) for _, applied in results]


def _weights(step: Any) -> list[np.ndarray]:
    return [np.array(p.asnumpy(), copy=True) for p in step.optimizer.weights]


class Numbers:
    """The same model and optimiser in float64."""

    def __init__(self) -> None:
        self.w, self.b = START.astype(np.float64), np.zeros(3)
        self.velocity: list[Any] = [0.0, 0.0]

    def gradients(self, images: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        logits = images @ self.w.T + self.b
        p = np.exp(logits - logits.max(1, keepdims=True))
        d = (p / p.sum(1, keepdims=True) - targets) / len(images)
        return [d.T @ images, d.sum(0)]

    def update(self, gradients: list[np.ndarray], rate: float) -> None:
        gradients = [gradients[0] + 0.01 * self.w, gradients[1]]
        self.velocity = [0.9 * v + g for v, g in zip(self.velocity, gradients, strict=True)]
        self.w, self.b = self.w - rate * self.velocity[0], self.b - rate * self.velocity[1]


def _close(step: Any, numbers: Numbers) -> None:
    for found, expected in zip(_weights(step), (numbers.w, numbers.b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("scale", [None, "dynamic", "fixed"])
def test_micro_batches_make_the_update_of_their_union(mode: str, scale: str | None) -> None:
    from runtime.recipe.schema import DynamicScale, FixedScale

    scales = {"dynamic": DynamicScale(initial=256, window=1), "fixed": FixedScale(fixed=1024)}
    step = _step(mode, accumulate=3, clip_norm=0.5, scale=scales.get(str(scale)))
    batches, numbers = _batches(6), Numbers()
    _run(step, batches, (0.1,) * 3 + (0.2,) * 3)
    for rate, group in zip((0.1, 0.2), (batches[:3], batches[3:]), strict=True):
        whole = [np.concatenate(parts) for parts in zip(*group, strict=True)]
        gradients = numbers.gradients(*whole)
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        numbers.update([g * min(1.0, 0.5 / norm) for g in gradients], rate)
    _close(step, numbers)
    if scale:
        assert float(step.scale.asnumpy()) == {"dynamic": 1024, "fixed": 1024}[scale]  # doubled twice; fixed


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("warmup", [False, True])
def test_the_average_follows_its_formula(mode: str, warmup: bool) -> None:
    step = _step(mode, average={"decay": 0.7, "warmup": warmup})
    mean, numbers = START.astype(np.float64), Numbers()
    _run(step, _batches(4), RATES)
    for t, ((images, targets), rate) in enumerate(zip(_batches(4), RATES, strict=True)):
        numbers.update(numbers.gradients(images, targets), rate)
        decay = min(0.7, (1 + t) / (10 + t)) if warmup else 0.7
        mean = decay * mean + (1 - decay) * numbers.w
    np.testing.assert_allclose(step.average.read()["w"], mean, rtol=0, atol=1e-5)
    _close(step, numbers)
    assert int(step.average.updates.asnumpy()) == 4


def test_the_average_is_shown_and_taken_back() -> None:
    step = _step(average={"decay": 0.5, "warmup": False})
    _run(step, _batches(4), RATES)
    own, mean = _weights(step), step.average.read()
    with pytest.raises(KeyboardInterrupt), step.average.shown():
        np.testing.assert_array_equal(_weights(step)[0], mean["w"])
        raise KeyboardInterrupt
    for found, expected in zip(_weights(step), own, strict=True):
        np.testing.assert_array_equal(found, expected)
    _run(
        step, _batches(1), (0.1,)
    )  # the compiled graph goes on with its own weights, not with what was shown
    once = _step(average={"decay": 0.5, "warmup": False})
    _run(once, [*_batches(4), *_batches(1)], (*RATES, 0.1))
    np.testing.assert_array_equal(_weights(step)[0], _weights(once)[0])
    np.testing.assert_array_equal(step.average.read()["w"], once.average.read()["w"])


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("scale", [{"initial": 64, "window": 9}, {"fixed": 64}])
def test_an_overflow_moves_neither_weights_nor_average(accumulate: int, scale: dict[str, int]) -> None:
    from runtime.recipe.schema import DynamicScale, FixedScale

    kind = FixedScale(**scale) if "fixed" in scale else DynamicScale(**scale)
    step = _step(scale=kind, accumulate=accumulate, average={"decay": 0.5, "warmup": True})
    batches = _batches(2 * accumulate)
    batches[0][0][0, 0] = np.inf
    assert not _run(step, batches[:accumulate], (0.1,) * accumulate)[-1]
    np.testing.assert_array_equal(_weights(step)[0], START)
    np.testing.assert_array_equal(step.average.read()["w"], START)
    assert int(step.average.updates.asnumpy()) == 0
    assert float(step.scale.asnumpy()) == (64 if "fixed" in scale else 32)
    assert all(_run(step, batches[accumulate:], (0.1,) * accumulate))  # nothing of the bad group is left
    numbers = Numbers()
    whole = [np.concatenate(parts) for parts in zip(*batches[accumulate:], strict=True)]
    numbers.update(numbers.gradients(*whole), 0.1)
    _close(step, numbers)


def test_gradients_pass_through_the_reducer_once_an_update() -> None:
    from mindspore import nn, ops

    class Halved(nn.Cell):
        def construct(self, gradients):
            return ops.HyperMap()(ops.partial(ops.mul, 0.5), gradients)

    step, numbers = _step(reducer=Halved(), accumulate=2), Numbers()
    _run(step, _batches(4), RATES)
    for i, rate in ((0, 0.2), (2, 0.1)):  # the rate of the call that updates
        one, other = (numbers.gradients(*b) for b in _batches(4)[i : i + 2])
        numbers.update([0.5 * (a + b) / 2 for a, b in zip(one, other, strict=True)], rate)
    _close(step, numbers)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "average": {"decay": 0.5, "warmup": False}}])
def test_sunk_steps_are_the_same_steps(options: dict[str, Any]) -> None:
    from runtime.engines.mindspore.sink import sunk
    from runtime.recipe.schema import DynamicScale

    options["scale"] = DynamicScale(initial=64, window=2)
    single, inner = (_step(**dict(options)) for _ in range(2))
    rates = (*RATES, *RATES[:3])
    expected = _run(single, _batches(7), rates)
    assert _run(sunk(inner, 3), _batches(7), rates) == expected == [True] * 7  # 3 + 3 + 1 of one graph
    for found, other in zip(_weights(inner), _weights(single), strict=True):
        np.testing.assert_array_equal(found, other)
    for name, parameter in single.carried().items():
        np.testing.assert_array_equal(inner.carried()[name].asnumpy(), parameter.asnumpy(), err_msg=name)


def test_asking_for_a_sunk_result_runs_what_was_gathered() -> None:
    import mindspore as ms

    from runtime.engines.mindspore.sink import sunk

    single, inner = _step(), _step()
    fed = sunk(inner, 4)
    for images, targets in _batches(2):
        arguments = ms.Tensor(images), ms.Tensor(targets), ms.Tensor(0.1, ms.float32)
        loss, _ = fed(*arguments)
        np.testing.assert_array_equal(_weights(inner)[0], _weights(single)[0])
        expected, _ = single(*arguments)
        assert float(loss.asnumpy()) == pytest.approx(float(expected.asnumpy()), rel=1e-6)
    np.testing.assert_array_equal(_weights(inner)[0], _weights(single)[0])


def test_an_infinite_loss_ends_a_run_unless_a_scale_explains_it() -> None:
    from runtime.train.ledger import Ledger

    seen: list[float] = []
    for scaled in (True, False):
        ledger = Ledger(seen.append, lambda count, losses: None, scaled=scaled)
        ledger.waiting = [_Read(value) for value in (2.0, np.inf, 1.0)]
        ledger.read()
        assert ledger.losses == [2.0, 1.0] and ledger.skipped == int(scaled)
    assert seen == [np.inf]


class _Read:
    """What a step returned: an update with that loss."""

    def __init__(self, loss: float):
        self._loss = loss

    def read(self) -> tuple[float, bool]:
        return self._loss, True

    def asked(self) -> bool:
        return False
