"""Which exported file is read how, and how it is made to compute."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.files.form import Form, Tensor, answers, form_of
from runtime.deploy.files.screen import require_file
from runtime.deploy.files.told import told
from runtime.deploy.files.trial import Trial
from runtime.deploy.metadata import Metadata

READERS = {
    ".onnx": ("ONNX", ("onnxruntime", "openvino")),
    ".xml": ("OpenVINO", ("openvino",)),
    ".mindir": ("MindIR", ("mindspore",)),
}
"""By ending: what it is, and the runtimes that read it, the usual one first."""
NEEDS = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("openvino",), "mindspore": ("mindspore",)}
FOLDER = "model.xml"
"""What an export to OpenVINO is a folder with."""


def is_exported(path: Path) -> bool:
    """Whether a path means an exported file, by its ending, or a folder of OpenVINO's."""
    return path.suffix.lower() in (*READERS, ".om") or (path / FOLDER).is_file()


class File:
    """An exported file at work: what it says, takes and gives. A context: leaving ends its process."""

    def __init__(self, path: Path, by: str | None = None, threads: int | None = None):
        """Open it. CMT-858 to 861."""
        if (path / FOLDER).is_file():
            path = path / FOLDER
        ending = path.suffix.lower()
        if ending not in READERS:
            what = "an OM file computes on Ascend alone" if ending == ".om" else "of no known ending"
            raise CmtError(
                "CMT-859", f"{path}: {what}", hint=f"give a file that ends in {', '.join(READERS)}"
            )
        kind, readers = READERS[ending]
        self.by = by or readers[0]
        if self.by not in readers:
            raise CmtError(
                "CMT-859", f"{path}: {self.by} does not read {kind}", hint=f"by {' or '.join(readers)}"
            )
        size = require_file(path, kind)
        needed = (*NEEDS[self.by], *(("onnx",) if ending == ".onnx" else ()))
        if lacking := [name for name in needed if importlib.util.find_spec(name) is None]:
            hint = "pip install 'cmt-dsl[deploy]'"
            raise CmtError("CMT-859", f"{path} needs {lacking[0]}, which is not installed", hint=hint)
        self.path = path
        self._trial = Trial(path, self.by, size, threads)
        try:
            facts = self._trial.facts
            self.told: Metadata = told(facts["props"], path)
            inputs, outputs = ([Tensor.of(each) for each in facts[name]] for name in ("inputs", "outputs"))
            self.form: Form = form_of(path, inputs, outputs, self.told, softmax=facts["softmax"])
        except BaseException:
            self.close()
            raise

    def compute(self, images: Array) -> Array:
        """[n, classes] float32 of images in the layout of `form`. CMT-860, 861."""
        form = self.form
        wanted: dict[str, Any] = {"input": form.input, "output": form.output, "batch": form.batch}
        return answers(self.path, self._trial.compute(form.array(images), wanted), len(images))

    def close(self) -> None:
        """End its process."""
        self._trial.close()

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
