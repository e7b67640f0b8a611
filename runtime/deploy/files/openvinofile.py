"""OpenVINO's .xml with its .bin; and what else OpenVINO computes. Runs in the process that `attempt` is."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.files.external import require_beside
from runtime.deploy.files.screen import MOST_NODES, require_size
from runtime.deploy.metadata import KEYS, PREFIX, RT_INFO
from runtime.infer.native import raised, said

NUMPY = {"f32": "float32", "f16": "float16", "u8": "uint8"}


class Compiled:
    """A model that OpenVINO reads, compiled for each number of images: a free batch is slower, and wrong in int8."""

    def __init__(self, path: Path, precision: str, threads: int | None):
        import openvino

        self._core: Any = openvino.Core()
        self.model: Any = self._core.read_model(str(path))
        self._free = self.model.is_dynamic()
        # without the hint, processors that have bf16 compute in it
        self._how: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32"}
        if threads is not None:
            self._how["INFERENCE_NUM_THREADS"] = threads
        self._ready: dict[tuple[int, ...], Any] = {}

    def compute(self, name: str, images: Array, output: str) -> Array:
        """One output for images in the input's own form."""
        if images.shape not in self._ready:
            if self._free:
                self.model.reshape({self.model.input(0): list(images.shape)})
            self._ready[images.shape] = self._core.compile_model(self.model, "CPU", self._how)
        ready = self._ready[images.shape]
        place = next((i for i, out in enumerate(self.model.outputs) if output in _names(out)), 0)
        return np.array(ready([images])[place], copy=True)


class OpenVinoFile:
    """A screened .xml, opened."""

    def __init__(self, path: Path, threads: int | None):
        _require_sound(path)
        self._compiled = Compiled(path, "float32", threads)
        model = self._compiled.model
        props = {}
        for key in KEYS:
            where = [RT_INFO, key.removeprefix(PREFIX)]
            if model.has_rt_info(where):
                props[key] = model.get_rt_info(where).astype(str)
        if props.get(f"{PREFIX}precision") == "bf16" and _computes_bf16():
            self._compiled = Compiled(path, "bfloat16", threads)
        ends = [out for out in model.outputs if _maker(out) == "Softmax"]
        self.facts: dict[str, Any] = {
            "inputs": [_tensor(each) for each in model.inputs],
            "outputs": [_tensor(each) for each in model.outputs],
            "props": props,
            "softmax": [_tensor(out)["name"] for out in ends],
        }

    def compute(self, name: str, images: Array, output: str) -> Array:
        """One output for images in the input's own form."""
        return self._compiled.compute(name, images, output)


def _require_sound(path: Path) -> None:
    """CMT-858 for XML that is no network, or whose constants are not in its .bin."""
    count, blob = 0, path.with_suffix(".bin").name
    try:
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            if event == "start" and count == 0:
                if element.tag != "net":
                    raise CmtError(
                        "CMT-858", f"{path} is XML, but no network of OpenVINO", hint="give its model.xml"
                    )
                count = 1
            if event == "end" and element.tag == "layer":
                count += 1
                data = element.find("data")
                if element.get("type") == "Const" and data is not None:
                    require_beside(path, blob, data.get("offset", "0"), data.get("size", "0"))
                    sizes = [int(size) for size in data.get("shape", "").replace(" ", "").split(",") if size]
                    require_size(path, element.get("name", ""), sizes)
                element.clear()
            if count > MOST_NODES:
                raise CmtError("CMT-859", f"{path} has more than {MOST_NODES:,} layers")
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise CmtError(
            "CMT-858", f"{path} is damaged: {said(error)}", hint="copy or export it anew"
        ) from None


def _computes_bf16() -> bool:
    from runtime.infer.backends.openvino import require_precision

    try:
        require_precision("CPU", "bfloat16")
    except (CmtError, *raised()):
        return False
    return True


def _names(port: Any) -> list[str]:
    return sorted(port.get_names()) or [port.get_node().get_friendly_name()]


def _tensor(port: Any) -> dict[str, Any]:
    rank = port.partial_shape.rank
    sizes = (
        None if rank.is_dynamic else [None if d.is_dynamic else d.get_length() for d in port.partial_shape]
    )
    names = _names(port)
    name = next((known for known in ("logits", "probabilities") if known in names), names[0])
    kind = port.element_type.get_type_name()
    return {"name": name, "dtype": NUMPY.get(kind, kind), "shape": sizes}


def _maker(port: Any) -> str:
    """The type of the operation whose value a result is."""
    return str(port.get_node().input_value(0).get_node().get_type_name())
