"""Tiny ONNX classifiers, made by ONNX's own helper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

CLASSES = 10


def classifier(
    props: Mapping[str, str] | None = None, *, seed: int = 0, shape: tuple[Any, ...] = ("n", 3, 8, 8)
) -> ModelProto:
    """Mean of each channel, then a product: [n, 3, 8, 8] to [n, 10]."""
    weight = np.random.default_rng(seed).standard_normal((3, CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], CLASSES])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (props or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model


def write(path: Path, model: ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path
