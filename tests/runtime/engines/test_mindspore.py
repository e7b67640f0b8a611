"""What needs MindSpore: the optimiser against NumPy, the step Cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError

pytestmark = pytest.mark.mindspore


def _stepped(clip: float | None, scale: Any, images: np.ndarray) -> tuple[np.ndarray, float, bool, Any]:
    """Weights of a small Dense model after one step, its loss, whether the step counted, and the step Cell."""
    import mindspore as ms
    from mindspore import nn

    from runtime.data.mixing import soft_targets
    from runtime.device.environment import set_device
    from runtime.engines.mindspore.optimisers.adamw import AdamW
    from runtime.engines.mindspore.step import TrainStep
    from runtime.recipe.schema import DeviceGroup

    set_device(DeviceGroup(mode="graph"))
    net = nn.Dense(
        4, 3, weight_init=ms.Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)), bias_init="zeros"
    )
    optimizer = AdamW(
        net.trainable_params(), [True, False], beta1=0.9, beta2=0.999, eps=1e-1, weight_decay=0.0
    )
    step = TrainStep(net, optimizer, clip_norm=clip, scale=scale)
    targets = soft_targets(np.array([0, 1, 2, 1]), 3, 0.1)
    loss, applied = step.set_train()(ms.Tensor(images), ms.Tensor(targets), ms.Tensor(0.1, ms.float32))
    return np.array(net.weight.asnumpy()), float(loss.asnumpy()), bool(applied.asnumpy()), step


def test_loss_scale_changes_nothing_but_skips_overflow() -> None:
    from runtime.recipe.schema import DynamicScale

    images = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    plain, loss, _, _ = _stepped(None, None, images)
    scaled, loss_scaled, applied, step = _stepped(None, DynamicScale(initial=1024, window=1), images)
    np.testing.assert_allclose(scaled, plain, atol=1e-6)
    assert applied and loss_scaled == pytest.approx(loss, abs=1e-6)
    assert float(step.scale.asnumpy()) == 2048  # window of one step: it doubles

    images[0, 0] = np.inf
    kept, _, applied, step = _stepped(None, DynamicScale(initial=1024, window=1), images)
    np.testing.assert_array_equal(kept, np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    assert not applied and float(step.scale.asnumpy()) == 512 and float(step.optimizer.c1.asnumpy()) == 0


def test_clipping_shortens_the_first_moment() -> None:
    from runtime.recipe.schema import DynamicScale

    images = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)

    def norm(clip: float | None, scale: Any) -> float:
        moments = _stepped(clip, scale, images)[3].optimizer.m
        return float(np.sqrt(sum((m.asnumpy() ** 2).sum() for m in moments))) / 0.1

    assert norm(None, None) > 0.2
    assert norm(0.01, None) == pytest.approx(0.01, rel=1e-3)
    assert norm(0.01, DynamicScale(initial=4096, window=9)) == pytest.approx(0.01, rel=1e-3)
    assert norm(1e6, None) == pytest.approx(norm(None, None), rel=1e-5)


def test_bfloat16_is_refused_on_the_cpu_before_anything_runs() -> None:
    from mindspore import nn

    from runtime.device.environment import set_device
    from runtime.device.precision import in_precision
    from runtime.recipe.schema import DeviceGroup

    set_device(DeviceGroup(target="CPU"))
    net = nn.Dense(4, 3)
    assert in_precision(net, "O0", "bfloat16") is net
    with pytest.raises(CmtError, match="no bfloat16 convolution") as found:
        in_precision(net, "O2", "bfloat16")
    assert found.value.code == "CMT-804" and found.value.problems[0].path == "device.amp_dtype"


def test_a_run_that_fails_says_so_in_its_summary(tmp_path: Path) -> None:
    import json

    from rich.console import Console

    from cmt_dsl import load
    from runtime.data.open import open_source
    from runtime.data.source import View
    from runtime.recipe.read import load_recipe
    from runtime.run.directory import open_run
    from runtime.train.engine import framework
    from runtime.train.loop import train
    from runtime.train.plan import Plan

    sets = ("train.epochs=1", "train.log_every=2", "schedule.warmup_epochs=0", "schedule.lr=1e30")
    recipe = load_recipe("digits", overrides=(*sets, "device.mode=pynative"))
    spec = load("cmt_nano", set={"stages.0.depth": 1, "stages.1.depth": 1})
    source = open_source("digits", View.of(spec), augment=recipe.augment)
    out = open_run(tmp_path / "r", overwrite=False)
    with pytest.raises(CmtError) as found:
        train(Plan.of(spec, recipe, source, out), framework(), Console(quiet=True))
    assert found.value.code == "CMT-702"
    told = json.loads((out / "summary.json").read_text())
    assert (told["state"], told["epochs_done"], told["best_top1"]) == ("failed", 0, None)
