"""`cmt compile`: a model through MindSpore once, with the seconds that each part took."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from cmt_dsl import Graph, to_cell
from runtime.device.environment import mindspore, native_errors, native_noise_to, temporary_log


def first_run(graph: Graph) -> dict[str, object]:
    """Build the Cell, compile it in graph mode and run one zero image, in inference."""
    with temporary_log("compile") as log, native_noise_to(log), native_errors(log):
        ms = mindspore()

        ms.set_context(mode=ms.GRAPH_MODE)
        started = time.perf_counter()
        cell: Any = to_cell(graph)
        made = time.perf_counter()
        images = ms.Tensor(np.zeros((1, *graph.input.type.sizes), np.float32))
        cell(images).asnumpy()
        compiled = time.perf_counter()
        cell(images).asnumpy()
        ended = time.perf_counter()
        return {
            "device": str(ms.get_context("device_target")),
            "cell_seconds": made - started,
            "compile_seconds": compiled - made,
            "image_seconds": ended - compiled,
        }
