"""Exported files in the runtimes that they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.export.job import Runs
from runtime.device.isa import whole_instruction_set
from runtime.infer.backend import Precision, backend
from runtime.infer.backends import onnxruntime, openvino


def in_onnxruntime(path: Path) -> Runs:
    """An ONNX file on the processor, as ONNX Runtime optimises it."""
    session = onnxruntime.opened(str(path))
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def in_openvino(path: Path, precision: Precision = "float32") -> Runs:
    """An OpenVINO file on the processor, compiled for each number of images, computed in `precision`."""

    compiled: dict[int, Any] = {}

    def compute(images: Array) -> Array:
        count = len(images)
        run = compiled.get(count) or openvino.prepared(str(path), count, precision=precision)
        compiled[count] = run
        with whole_instruction_set():
            return np.array(run([images])[0], copy=True)

    return compute


def in_mindspore(path: Path) -> Runs:
    """A MindIR file in MindSpore."""
    from runtime.device.environment import mindspore

    def compute(images: Array) -> Array:
        with backend("mindspore").session("export"):
            ms = mindspore()
            net: Any = ms.nn.GraphCell(ms.load(str(path)))
            return np.array(net(ms.Tensor(images)).astype(ms.float32).asnumpy(), copy=True)

    return compute


def computes_bf16() -> bool:
    """Whether OpenVINO says that this processor computes in bf16."""
    try:
        openvino.require_precision("CPU", "bfloat16")
    except CmtError:
        return False
    return True
