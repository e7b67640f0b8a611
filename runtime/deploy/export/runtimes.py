"""Exported files in the runtimes that they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from runtime.array import Array
from runtime.deploy.export.job import Runs
from runtime.deploy.export.packages import needed
from runtime.infer.backend import backend


def in_onnxruntime(path: Path) -> Runs:
    """An ONNX file on the processor, as ONNX Runtime optimises it."""
    ort = needed("onnxruntime", "reading the file back")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def in_openvino(path: Path, precision: str = "f32") -> Runs:
    """An OpenVINO file on the processor, computed in `precision`: "f32", or "bf16" where the processor can."""
    core = needed("openvino", "reading the file back").Core()

    def compute(images: Array) -> Array:
        model = core.read_model(path)
        model.reshape(
            [len(images), *images.shape[1:]]
        )  # one size at a time: what it would compile for anyhow
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
        return np.array(compiled([images])[0])

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
    core = needed("openvino", "reading the file back").Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
