"""ONNX Runtime, by the execution provider that is asked for."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Generator, Sequence
from typing import Any

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from runtime.array import Array
from runtime.infer.backend import Backend, Compute, Precision, register
from runtime.infer.folded import folded
from runtime.infer.native import raised, said

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "cann": "CANNExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Places by the names that ONNX Runtime gives them."""


@register
class OnnxRuntime(Backend):
    """Computes by the ONNX lowering, folded, in float32; any number of images."""

    name = "onnxruntime"

    def missing(self) -> str | None:
        for package in ("onnx", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                return f"{package} is not installed (pip install 'cmt-dsl[deploy]')"
        return None

    def places(self) -> tuple[str, ...]:
        import onnxruntime

        here = onnxruntime.get_available_providers()
        return tuple(place for place, provider in PROVIDERS.items() if provider in here)

    def load(
        self,
        program: Program,
        outputs: Sequence[str],
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        batch: int | None = None,
        batches: int = 1,
    ) -> Compute:
        from cmt_dsl.lower.onnx import IMAGES, Form

        if precision != "float32":
            hint = f"--backend openvino --precision {precision}, or leave --precision out"
            raise CmtError("CMT-804", f"ONNX Runtime computes this in float32, not in {precision}", hint=hint)
        model = folded(program, outputs, Form("ort"), fold=self.folds)
        session = opened(model.SerializeToString(), self.place or "cpu", threads)

        def compute(images: Array) -> list[Array]:
            with failures():
                return session.run(None, {IMAGES: images})

        return compute

    def device(self) -> str:
        return (self.place or "cpu").upper()

    @contextlib.contextmanager
    def session(self, verb: str) -> Generator[None, None, None]:
        with failures():
            yield


def opened(model: bytes | str, place: str = "cpu", threads: int | None = None) -> Any:
    """An `InferenceSession` of a model or its file at a place; CMT-866 where ONNX Runtime would go elsewhere unasked."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised too
    if threads is not None:
        options.intra_op_num_threads = threads
    wanted = [PROVIDERS[place], *(["CPUExecutionProvider"] if place != "cpu" else [])]
    with failures():
        session = onnxruntime.InferenceSession(model, options, providers=wanted)
    if session.get_providers()[0] != wanted[0]:
        message = f"ONNX Runtime has {wanted[0]} but cannot use it here"
        raise CmtError("CMT-866", message, hint="see its driver and libraries, or --backend onnxruntime:cpu")
    return session


@contextlib.contextmanager
def failures() -> Generator[None, None, None]:
    """Turn what ONNX Runtime raises into CMT-867: its classes have no common base of their own."""
    try:
        yield
    except CmtError:
        raise
    except raised() as error:
        raise CmtError("CMT-867", f"ONNX Runtime failed: {said(error)}") from error
