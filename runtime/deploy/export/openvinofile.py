"""OpenVINO: a folder with model.xml and model.bin, so that never one of the two is another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from runtime.deploy.export.job import Job, Staged
from runtime.deploy.export.onnxfile import onnx_model, write_onnx
from runtime.deploy.export.packages import failures, needed
from runtime.deploy.export.runtimes import computes_bf16, in_openvino
from runtime.deploy.metadata import RT_INFO
from runtime.deploy.quantise.exporting import KEY
from runtime.device.isa import whole_instruction_set
from runtime.infer.backend import Precision

FILE = "model.xml"
FEWEST = 64
"""Weights of a constant that is stored in bf16; smaller ones, such as numbers, stay as they are."""


def make_openvino(job: Job, folder: Path) -> Staged:
    """The folder with both files, made at `folder`. CMT-850, 851, 853."""
    ov = needed("openvino", "an export to openvino")
    wish = job.wish
    folder.mkdir()
    read = folder.with_name("read.onnx")
    write_onnx(onnx_model(job), read, job)
    job.tell("converting it with OpenVINO …", step=True)
    with failures("OpenVINO does not read the ONNX model"), whole_instruction_set():
        model = ov.Core().read_model(read)
        for path, text in job.metadata.rt_info().items():
            model.set_rt_info(text, list(path))
        if job.int8 is not None:
            model.set_rt_info(job.int8.props(job.program), [RT_INFO, KEY])
        notes = ()
        computed: Precision = "float32"
        if wish.precision == "bf16":
            _store_in_bf16(ov, model)
            computed = "bfloat16" if computes_bf16() else "float32"
            lacks = "this processor lacks bf16: what was compared are rounded weights, computed in float32"
            notes = () if computed == "bfloat16" else (lacks,)
        ov.save_model(model, folder / FILE, compress_to_fp16=wish.precision == "fp16")
    read.unlink()
    if wish.precision != "bf16":
        notes = (
            "where a processor has bf16, OpenVINO computes in it unless INFERENCE_PRECISION_HINT says f32",
        )
    xml = folder / FILE
    by = f"openvino in {computed}"
    return Staged(folder, by, lambda: in_openvino(xml, computed), _count(model), "", notes)


def _count(model: Any) -> int:
    """Operations, without constants, inputs, outputs and what widens stored weights."""
    kinds = {"Constant", "Parameter", "Result"}
    ops = [op for op in model.get_ordered_ops() if op.get_type_name() not in kinds]
    return sum(1 for op in ops if op.get_type_name() != "Convert" or not _widens(op))


def _widens(op: Any) -> bool:
    return op.input_value(0).get_node().get_type_name() == "Constant"


def _store_in_bf16(ov: Any, model: Any) -> None:
    """Round weights to bf16 and store them so, each with a Convert that a runtime folds or fuses away."""
    from openvino import opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        values = np.array(node.data)
        if values.size < FEWEST:
            continue
        stored = ops.constant(values, dtype=ov.Type.bf16)  # rounds to nearest
        wide = ops.convert(stored, "f32")
        wide.get_rt_info()["decompression"] = ""
        wide.set_friendly_name(node.get_friendly_name())
        for target in list(node.output(0).get_target_inputs()):
            target.replace_source_output(wide.output(0))
