"""Freezing, recomputing, accumulating and sinking on a whole small CMT."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.train.small import PLAIN, Trained, small

pytestmark = pytest.mark.mindspore

SGD = "optimizer={name: sgd, momentum: 0.9, weight_decay: 0.05}"


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, float]:
    return {path: float(np.abs(one[path] - other[path]).max()) for path in one}


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_a_frozen_part_stays_bit_for_bit(mode: str) -> None:
    run = Trained(
        small(**PLAIN), "train.freeze=[stem, stages.0.blocks.0, head.norm]", SGD, f"device.mode={mode}"
    )
    before = run.weights
    run.step(2, rate=1.0)
    moved = apart(before, run.weights)
    frozen = {p for p in moved if p.startswith(("stem.", "stages.0.blocks.0.", "head.norm."))}
    assert {p for p, d in moved.items() if d == 0} == frozen
    assert any("running_mean" in p for p in frozen)
    assert any(d > 0 for p, d in moved.items() if p.startswith("stages.0.blocks.1") and "running" in p)


def test_a_frozen_norm_uses_its_running_statistics() -> None:
    """Frozen whole, the loss in training is the loss that NumPy's inference has."""
    from cmt_dsl.lower.numpy import run as reference

    graph = small(**PLAIN)
    run = Trained(graph, "train.freeze_norm=true", SGD)
    before = run.weights
    (loss,) = run.step()
    logits = reference(graph, before, run.images).astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert loss == pytest.approx(-(run.targets * log_p).sum(1).mean(), rel=1e-4)
    moved = apart(before, run.weights)
    assert {p for p, d in moved.items() if d == 0 and "running" in p} == {p for p in moved if "running" in p}
    assert moved["stem.norm1.weight"] > 0


def test_micro_batches_of_a_whole_model_make_the_update_of_their_union() -> None:
    graph = small(**PLAIN)
    whole = Trained(graph, "train.freeze_norm=true", SGD)
    parts = Trained(graph, "train.freeze_norm=true", SGD, "train.accumulate=2")
    for _ in range(2):
        whole.step()
        parts.step(part=slice(0, 4))
        parts.step(part=slice(4, 8))
    assert max(apart(whole.weights, parts.weights).values()) < 1e-5
    assert max(apart(whole.weights, Trained(graph).weights).values()) > 1e-3


def test_recomputing_changes_no_number() -> None:
    """Of two equal blocks one is recomputed, the other not; drop path and dropout are on."""
    plain, again = (
        Trained(small(), "optimizer={name: sgd, momentum: 0, weight_decay: 0}", f"train.recompute={parts}")
        for parts in ("[]", "[stages.0.blocks.1, stages.1]")
    )
    for _ in range(3):  # at a rate of 1 a step moves the weights by their gradients
        assert plain.step(rate=1.0) == pytest.approx(again.step(rate=1.0), rel=1e-5)
        for path, gap in apart(plain.weights, again.weights).items():  # running statistics among them
            assert gap <= 1e-6 * max(1.0, float(np.abs(plain.weights[path]).max())), path


def test_sunk_steps_of_a_whole_model_are_the_same_steps() -> None:
    from runtime.engines.mindspore.sink import sunk

    graph = small()
    single, inner = Trained(graph, "train.ema={decay: 0.9}"), Trained(graph, "train.ema={decay: 0.9}")
    losses = single.step(5)
    assert inner.step(5, fed=sunk(inner.train_step, 3)) == pytest.approx(losses, rel=1e-6)
    assert max(apart(single.weights, inner.weights).values()) == 0
    assert max(apart(single.train_step.average.read(), inner.train_step.average.read()).values()) == 0


def test_layer_factors_reach_the_update() -> None:
    """The first AdamW step moves each weight by about lr times its factor."""
    run = Trained(
        small(**PLAIN), "optimizer.layer_decay=0.5", "optimizer.weight_decay=0", "device.mode=pynative"
    )
    before = run.weights
    run.step()
    moved = apart(before, run.weights)
    for path, factor in (
        ("stem.conv1.weight", 1 / 16),
        ("stages.0.embed.proj.weight", 1 / 8),
        ("stages.0.blocks.1.ffn.expand.weight", 1 / 4),
        ("stages.1.blocks.0.ffn.expand.weight", 1 / 2),
        ("head.fc.weight", 1.0),
    ):
        assert moved[path] == pytest.approx(0.01 * factor, rel=0.01), path
