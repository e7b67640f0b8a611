"""MindSpore's private parts are what we take them for; a version that changes one fails here, by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from cmt_dsl.lower.mindspore.private import LAZY, WRAPPED, bare, keep_apart, normalise_once
from tests.tiny import ROOT

pytestmark = pytest.mark.mindspore


def test_the_logger_is_made_by_a_function_of_that_name() -> None:
    from mindspore import log

    assert callable(log._get_logger) and log._get_logger() is log._get_logger()


def test_a_cell_may_lose_its_end() -> None:
    code = (
        "import mindspore as ms\nfrom cmt_dsl.lower.mindspore.private import let_cells_die_quietly\n"
        "assert '__del__' in vars(ms.nn.Cell)\nlet_cells_die_quietly(ms)\nassert ms.nn.Cell.__del__(None) is None"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_mixed_precision_wraps_under_that_name() -> None:
    from mindspore import amp, nn

    net = nn.SequentialCell(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1))
    names = [name for name, _ in amp.auto_mixed_precision(net, "O2").cells_and_names()]
    assert any(WRAPPED in name.split(".") for name in names)
    assert {"0", "1"} <= {bare(name) for name in names}
    assert bare(f"a.{WRAPPED}.b.{WRAPPED}") == "a.b"


def lazy() -> Any:
    """Two Cells of one lazily inlined class, in graph mode."""
    import mindspore as ms
    from mindspore import nn

    class Inner(nn.Cell):
        @ms.lazy_inline
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(2)

        def construct(self, x: Any) -> Any:
            return self.norm(x)

    return Inner(), Inner()


def test_lazily_inlined_cells_are_told_apart_by_that_key() -> None:
    first, second = lazy()
    assert first.cell_init_args.startswith(LAZY) and first.cell_init_args == second.cell_init_args
    keep_apart(second, ["norm"], "frozen")
    assert first.cell_init_args != second.cell_init_args
    third, fourth = lazy()
    keep_apart(third, ["a", "b"], "frozen")
    keep_apart(fourth, ["b", "a"], "frozen")
    assert third.cell_init_args == fourth.cell_init_args


def test_a_cell_that_is_not_lazy_stays_as_it_is() -> None:
    from mindspore import nn

    cell = nn.Dense(2, 2)
    before = getattr(cell, "cell_init_args", "")
    keep_apart(cell, ["x"], "frozen")
    assert getattr(cell, "cell_init_args", "") == before


def test_a_norm_in_a_recomputed_cell_moves_its_statistics_once() -> None:
    import mindspore as ms
    from mindspore import nn, ops

    from runtime.device.environment import set_device
    from runtime.recipe.schema import DeviceGroup

    set_device(DeviceGroup(mode="graph"))
    images = ms.Tensor(np.random.default_rng(0).normal(2.0, 1.0, (4, 2, 3, 3)).astype(np.float32))

    def moved(recomputed: bool) -> np.ndarray:
        net = nn.SequentialCell(
            nn.Conv2d(2, 2, 1, weight_init="ones"), nn.BatchNorm2d(2), nn.ReLU()
        ).set_train()
        if recomputed:
            net.recompute()
            normalise_once(net[1])

        def loss(x: Any) -> Any:
            return ops.square(net(x)).sum()

        ms.value_and_grad(loss, None, net.trainable_params())(images)
        return net[1].moving_mean.asnumpy().copy()

    np.testing.assert_allclose(moved(True), moved(False), rtol=1e-6)
