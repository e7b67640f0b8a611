"""A loader that puts up with missing or odd weights does not exist."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pytest

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.lower.numpy import run
from runtime.checkpoint.verify import require_fit
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.tiny import ROOT

LENIENT = {"load_param_into_net", "load_state_dict", "load_checkpoint_async"}
"""Loaders of frameworks that by default skip what does not fit."""
SOURCES = [file for room in ("cmt_dsl", "runtime") for file in sorted((ROOT / room).rglob("*.py"))]


def test_no_lenient_loader_is_called() -> None:
    for file in SOURCES:
        calls = [
            n.func for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)
        ]
        names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
        assert not names & LENIENT, file


def test_one_weight_too_few_too_many_or_odd_is_refused_wherever_weights_go() -> None:
    graph = build(load("cmt_nano"))
    checkpoint = checkpoint_of()
    whole = checkpoint.arrays
    image = np.zeros((1, 3, 32, 32), np.float32)
    require_fit("x", graph, checkpoint)
    run(graph, whole, image)
    odd = [
        {k: v for k, v in whole.items() if k != "head.fc.bias"},
        {**whole, "more": np.zeros(1, np.float32)},
        {**whole, "head.fc.bias": np.zeros(11, np.float32)},
        {**whole, "head.fc.bias": np.zeros(10, np.int64)},
    ]
    for arrays in odd:
        with pytest.raises(CmtError, match="CMT-604"):
            require_fit("x", graph, replace(checkpoint, arrays=arrays))
        with pytest.raises(CmtError, match=r"ema:.*CMT-604"):
            require_fit("x", graph, replace(checkpoint, ema=arrays))
        with pytest.raises(CmtError, match="CMT-402"):
            run(graph, arrays, image)


@pytest.mark.mindspore
def test_a_cell_takes_exactly_its_weights() -> None:
    from cmt_dsl import to_cell
    from cmt_dsl.lower.mindspore.cell import read

    graph = build(load("cmt_nano"))
    whole = checkpoint_of().arrays
    with pytest.raises(CmtError, match="missing head"):
        to_cell(graph, weights={k: v for k, v in whole.items() if k != "head.fc.bias"})
    held = read(to_cell(graph, weights=whole), graph)
    assert held.keys() == whole.keys() and all((held[k] == whole[k]).all() for k in whole)
