"""ONNX, by ONNX Runtime or OpenVINO. Runs in the process that `attempt` is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.files.openvinofile import Compiled
from runtime.deploy.files.screen import require_harmless
from runtime.infer.native import raised, said


class OnnxFile:
    """A screened ONNX file, opened."""

    def __init__(self, path: Path, by: str, threads: int | None):
        import onnx

        try:
            model: Any = onnx.load_model(path, load_external_data=False)
        except raised() as error:
            raise CmtError(
                "CMT-858", f"{path} is damaged, or no ONNX file: {said(error)}", hint="copy or export it anew"
            ) from None
        require_harmless(model, path)
        weights = {tensor.name for tensor in model.graph.initializer}
        inputs = [_tensor(each) for each in model.graph.input if each.name not in weights]
        outputs = [_tensor(each) for each in model.graph.output]
        ends = {name for node in model.graph.node if node.op_type == "Softmax" for name in node.output}
        self.facts: dict[str, Any] = {
            "inputs": inputs,
            "outputs": outputs,
            "props": {entry.key: entry.value for entry in model.metadata_props},
            "softmax": [out["name"] for out in outputs if out["name"] in ends],
        }
        self._compiled = Compiled(path, "float32", threads) if by == "openvino" else None
        self._session = None if self._compiled else _session(path, threads)

    def compute(self, name: str, images: Array, output: str) -> Array:
        """One output for images in the input's own form."""
        if self._compiled is not None:
            return self._compiled.compute(name, images, output)
        values: Any = self._session.run([output], {name: images})  # type: ignore[union-attr]
        return values[0]


def _session(path: Path, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _tensor(value: Any) -> dict[str, Any]:
    from onnx import helper

    kind = value.type.tensor_type
    try:
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    except (KeyError, TypeError, ValueError):
        dtype = f"type {kind.elem_type}"
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    return {"name": value.name, "dtype": dtype, "shape": sizes if kind.HasField("shape") else None}
