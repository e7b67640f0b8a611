"""ONNX: one file, checked by ONNX's own checker with all shapes inferred."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import __version__
from cmt_dsl.errors import CmtError
from runtime.deploy.export.facts import LABELS
from runtime.deploy.export.half import to_half
from runtime.deploy.export.inside import with_preprocessing
from runtime.deploy.export.job import Job, Staged
from runtime.deploy.export.packages import INSTALL, failures, installed, needed
from runtime.deploy.export.runtimes import in_onnxruntime, in_openvino
from runtime.deploy.metadata import PREFIX
from runtime.deploy.quantise.exporting import KEY

MOST = 2**31 - 2**20
"""Bytes of weights: an ONNX file is one protobuf message, which ends at 2 GiB."""


def make_onnx(job: Job, path: Path) -> Staged:
    """The ONNX file at `path`. CMT-850, 851, 853."""
    model = onnx_model(job)
    write_onnx(model, path, job)
    if job.int8 is not None and job.int8.for_ == "openvino":
        return Staged(path, "openvino", lambda: in_openvino(path), len(model.graph.node))
    why = "" if installed("onnxruntime") else f"onnxruntime is not installed ({INSTALL})"
    opened = None if why else lambda: in_onnxruntime(path)
    return Staged(path, "onnxruntime", opened, len(model.graph.node), why)


def onnx_model(job: Job) -> Any:
    """The wished ONNX model with its metadata, unchecked."""
    needed("onnx", f"an export to {job.wish.kind}")
    from cmt_dsl.lower.onnx import Form, to_onnx

    wish, told = job.wish, job.metadata
    program = job.program
    require_small(program.weights, wish.precision == "fp16")
    job.tell("writing the ONNX model …", step=True)
    if job.int8 is not None:
        model = job.int8.quantiser(program).model(wish.batch)
    else:
        model = to_onnx(program, Form(wish.flavour or "plain", wish.opset or 17, wish.batch))
    if wish.precision == "fp16" and wish.kind == "onnx":
        to_half(model)
    if wish.preprocess and told.preprocessing is not None:
        with_preprocessing(model, told.preprocessing)
    model.producer_name, model.producer_version = "cmt-dsl", __version__
    model.doc_string = job.found.model.spec.doc
    props = told.props()
    if job.labels and job.labels != told.classes:
        props[LABELS] = json.dumps(list(job.labels), ensure_ascii=False)
    if job.int8 is not None:
        props[PREFIX + KEY] = job.int8.props(program)
    for key, text in props.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text
    return model


def write_onnx(model: Any, path: Path, job: Job) -> None:
    """Check the model and write it."""
    onnx = needed("onnx", f"an export to {job.wish.kind}")
    job.tell("checking it with ONNX's checker …", step=True)
    with failures("ONNX's checker refuses what was written"):
        onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def require_small(weights: Any, half: bool) -> None:
    """CMT-850 for more than one ONNX file can hold."""
    count = sum(int(np.size(value)) for value in weights.values()) * (2 if half else 4)
    if count > MOST:
        message = f"an ONNX file holds 2 GiB, the weights are {count / 2**30:.1f} GiB"
        raise CmtError("CMT-850", message, hint="--precision fp16, or --format hub")
