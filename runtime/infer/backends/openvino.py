"""OpenVINO, on the device that is asked for; compiled anew for each number of images, which processor cores share out."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import psutil

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from runtime.array import Array
from runtime.device.isa import whole_instruction_set
from runtime.infer.backend import Backend, Compute, Precision, register
from runtime.infer.folded import folded

HINTS: dict[Precision, str] = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
CAPABILITY: dict[Precision, str] = {"float16": "FP16", "bfloat16": "BF16"}
SIZES_KEPT = 4
"""Programs compiled for so many numbers of images are kept: a batch, the rest of an epoch, and what users try."""


@register
class OpenVino(Backend):
    """Computes by the ONNX lowering, folded. With a fixed number of images the transposes between map and tokens cost
    nothing, so each number has a program of its own; a batch that is not full is filled up.
    """

    name = "openvino"

    def missing(self) -> str | None:
        for package in ("onnx", "openvino"):
            if importlib.util.find_spec(package) is None:
                return f"{package} is not installed (pip install 'cmt-dsl[deploy]')"
        return None

    def places(self) -> tuple[str, ...]:
        with whole_instruction_set():
            return tuple(each.lower() for each in core().available_devices)

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
        from cmt_dsl.lower.onnx import Form

        device = (self.place or "cpu").upper()
        require_precision(device, precision)
        model = folded(program, outputs, Form("openvino"), fold=self.folds).SerializeToString()
        compiled: dict[int, Shared] = {}

        def for_images(count: int) -> Shared:
            if count not in compiled:
                while len(compiled) >= SIZES_KEPT:
                    compiled.pop(next(iter(compiled)))
                compiled[count] = Shared(model, count, device, precision, threads)
            return compiled[count]

        def compute(images: Array) -> list[Array]:
            count = len(images)
            size = batch if batch is not None and count <= batch else count
            with failures(), whole_instruction_set():
                return for_images(size)(images)

        if batch is not None:
            with failures():
                for_images(batch)
        return compute

    def device(self) -> str:
        return (self.place or "cpu").upper()

    @contextlib.contextmanager
    def session(self, verb: str) -> Generator[None, None, None]:
        with failures():
            yield


class Shared:
    """A program for so many images. On a processor each core computes a part of them, without waiting for the others at
    every layer: a tenth faster than all cores at each image, for eight images of CMT-S on two cores.
    """

    def __init__(
        self, model: bytes, count: int, device: str, precision: Precision, threads: int | None
    ) -> None:
        parts = shares(count, threads) if device == "CPU" else 1
        self._each, self._parts = -(-count // parts), parts
        self._program = prepared(model, self._each, device, precision, threads, streams=parts)
        self._requests = [self._program.create_infer_request() for _ in range(parts)]

    def __call__(self, images: Array) -> list[Array]:
        """The values for the images, which may be fewer."""
        missing = self._each * self._parts - len(images)
        whole = np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images
        given = [np.ascontiguousarray(part) for part in np.split(whole, self._parts)]
        for request, part in zip(self._requests, given, strict=True):
            request.start_async({0: part}, share_inputs=True)
        for request in self._requests:
            request.wait()
        found = [[request.get_output_tensor(port).data for request in self._requests]
                 for port in range(len(self._program.outputs))]  # fmt: skip
        return [np.concatenate(values)[: len(images)] for values in found]


def shares(count: int, threads: int | None) -> int:
    """Among how many cores images are shared out: all of them, unless more than an eighth would be computed in vain."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(threads or psutil.cpu_count(logical=False) or here, here, count)
    fitting = (n for n in range(cores, 0, -1) if 8 * n * -(-count // n) <= 9 * count)
    return next(fitting, 1)


def core() -> Any:
    """OpenVINO's Core."""
    import openvino

    return openvino.Core()


def require_precision(device: str, precision: Precision) -> None:
    """CMT-804 for a precision that the device would only imitate."""
    if precision in CAPABILITY:
        with failures(), whole_instruction_set():
            able = core().get_property(device, "OPTIMIZATION_CAPABILITIES")
        if CAPABILITY[precision] not in able:
            have = [name for name, capability in CAPABILITY.items() if capability in able]
            hint = f"--precision {' or '.join(['float32', *have])}"
            raise CmtError("CMT-804", f"this {device} does not compute in {precision}", hint=hint)


def prepared(
    model: bytes | str,
    count: int,
    device: str = "CPU",
    precision: Precision = "float32",
    threads: int | None = None,
    *,
    streams: int = 1,
) -> Any:
    """An ONNX model, or an OpenVINO or ONNX file, compiled for so many images in each of the `streams`: a function of an array."""
    with whole_instruction_set():
        found = core()
        read = found.read_model(model)
        port = read.inputs[0]
        read.reshape({port: [count, *(size.get_length() for size in list(port.partial_shape)[1:])]})
        # unless it is told, OpenVINO computes in bfloat16 where the processor can
        how: dict[str, Any] = {"INFERENCE_PRECISION_HINT": HINTS[precision]}
        how |= {"NUM_STREAMS": streams} if streams > 1 else {"PERFORMANCE_HINT": "LATENCY"}
        if threads is not None and device == "CPU":
            how["INFERENCE_NUM_THREADS"] = threads
        return found.compile_model(read, device, how)


@contextlib.contextmanager
def failures() -> Generator[None, None, None]:
    """Turn what OpenVINO raises into CMT-867."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if not line.startswith("Exception from")), "no reason")
        raise CmtError("CMT-867", f"OpenVINO failed: {said[:300]}") from error
