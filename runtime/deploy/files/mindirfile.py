"""MindSpore's .mindir. Runs in the process that `attempt` is."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.files.external import require_beside
from runtime.deploy.files.screen import require_size
from runtime.device.environment import mindspore
from runtime.infer.native import raised, said

NUMPY = {1: "float32", 2: "uint8", 10: "float16"}


class MindIrFile:
    """A screened .mindir, opened."""

    def __init__(self, path: Path, threads: int | None):
        self._ms: Any = mindspore()
        model: Any = importlib.import_module("mindspore.train.mind_ir_pb2").ModelProto()
        try:
            model.ParseFromString(path.read_bytes())
        except raised() as error:
            raise CmtError(
                "CMT-858", f"{path} is damaged, or no MindIR: {said(error)}", hint="copy or export it anew"
            ) from None
        graph = model.graph
        if not graph.node or not graph.output:
            raise CmtError(
                "CMT-858", f"{path} is damaged, or no MindIR: it has no nodes", hint="export it anew"
            )
        for tensor in graph.parameter:
            require_size(path, tensor.name, list(tensor.dims))
            if tensor.HasField("external_data"):
                data = tensor.external_data
                require_beside(path, data.location, data.offset, data.length)
        if threads is not None:
            self._ms.set_context(runtime_num_threads=threads)
        self._cell: Any = self._ms.nn.GraphCell(self._ms.load(str(path)))
        self.facts: dict[str, Any] = {
            "inputs": [_tensor(each) for each in graph.input],
            "outputs": [{**_tensor(each), "name": "logits"} for each in graph.output],
            "props": dict(model.user_info),
            "softmax": [],
        }

    def compute(self, name: str, images: Array, output: str) -> Array:
        """The only output for images in the input's own form."""
        return np.array(self._cell(self._ms.Tensor(images)).asnumpy(), copy=True)


def _tensor(value: Any) -> dict[str, Any]:
    tensor = value.tensor[0] if value.tensor else None
    if tensor is None:
        return {"name": value.name, "dtype": "no tensor", "shape": None}
    sizes = [size if size > 0 else None for size in tensor.dims]
    return {
        "name": value.name,
        "dtype": NUMPY.get(tensor.data_type, f"type {tensor.data_type}"),
        "shape": sizes,
    }
