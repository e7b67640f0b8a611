"""MindIR: MindSpore's own format, by its own exporter, for one batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cmt_dsl import to_cell
from runtime.deploy.export.job import Job, Staged
from runtime.deploy.export.runtimes import in_mindspore
from runtime.device.environment import mindspore, set_device
from runtime.device.precision import in_precision
from runtime.infer.backend import backend
from runtime.recipe.schema import DeviceGroup


def make_mindir(job: Job, path: Path) -> Staged:
    """The .mindir at `path`. CMT-841 without MindSpore, CMT-705 if its exporter fails."""
    program = job.program
    job.tell("writing MindIR with MindSpore, which compiles the graph first …", step=True)
    with backend("mindspore").session("export"):
        ms = mindspore()
        set_device(DeviceGroup(mode="graph"))
        cell = to_cell(program.graph, weights=program.weights)
        if job.wish.precision == "fp16":
            cell = in_precision(cell, "O2", "float16")
        cell.set_train(False)
        image = ms.Tensor(np.zeros((job.wish.batch or 1, *program.graph.input.type.sizes), np.float32))
        ms.export(cell, image, file_name=str(path.with_suffix("")), file_format="MINDIR")
    return Staged(path, "mindspore", lambda: in_mindspore(path), len(program.graph.nodes))
