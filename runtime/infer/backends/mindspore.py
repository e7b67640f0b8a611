"""MindSpore, on the device that it finds: operator by operator for a few images, compiled for many."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from cmt_dsl import to_cell
from cmt_dsl.ir import Program
from runtime.array import Array
from runtime.device.environment import mindspore, native_errors, native_noise_to, set_device, temporary_log
from runtime.device.precision import in_precision
from runtime.infer.backend import Backend, Compute, Precision, register
from runtime.recipe.schema import DeviceGroup

WORTH_COMPILING = 8
"""Batches. Measured on CMT-Ti: compiling takes what six batches take operator by operator, then each a fourth."""


@register
class MindSpore(Backend):
    """Computes by the generated Cell."""

    name = "mindspore"

    def missing(self) -> str | None:
        if importlib.util.find_spec("mindspore") is None:
            return "MindSpore is not installed (pip install 'mindspore>=2.7,<2.11', or see `cmt doctor`)"
        return None

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
        ms = mindspore()
        set_device(DeviceGroup(mode="graph" if batches >= WORTH_COMPILING else "pynative"))
        if threads is not None:
            ms.set_context(runtime_num_threads=threads)
        graph = program.graph
        inside = () if tuple(outputs) == (graph.output.path,) else tuple(outputs)
        cell: Any = to_cell(graph, weights=program.weights, outputs=inside)
        if precision != "float32":
            cell = in_precision(cell, "O2", precision)
        return computing(cell.set_train(False))

    def device(self) -> str:
        return str(mindspore().get_context("device_target"))

    @contextlib.contextmanager
    def session(self, verb: str) -> Generator[None, None, None]:
        with temporary_log(verb) as log, native_noise_to(log), native_errors(log):
            yield


def computing(cell: Any) -> Compute:
    """A Cell as a function of arrays; what it gives is float32."""
    ms = mindspore()

    def compute(images: Array) -> list[Array]:
        values = cell(ms.Tensor(images))
        values = values if isinstance(values, tuple) else (values,)
        whole = (v if v.dtype == ms.float32 else v.astype(ms.float32) for v in values)
        return [np.array(value.asnumpy(), copy=True) for value in whole]

    return compute
