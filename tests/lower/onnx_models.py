"""ONNX models of one operator, whose inputs arrive in any layout; and programs with weights that are no start values."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from cmt_dsl.ir import Layout, Node, OnnxValue
from cmt_dsl.lower.onnx import Form
from cmt_dsl.lower.onnx.layouts import order
from cmt_dsl.lower.onnx.writer import Writer
from tests.ops.single import Sample

Array = np.ndarray


def laid(array: Array, layout: Layout) -> Array:
    """A value with a batch as it lies in that layout."""
    if layout == "map":
        return array
    turned = array.transpose(order(layout))
    n, a, b, c = turned.shape
    return np.ascontiguousarray(turned.reshape(n, a * b, c) if layout == "tokens" else turned)


def layouts(sample: Sample) -> tuple[Layout, ...]:
    """The layouts that inputs of a sample can have."""
    four = any(len(type_.shape) == 4 and type_.batched for type_ in sample.types)
    return ("map", "tokens", "split", "swapped") if four else ("map",)


def of_sample(
    sample: Sample, layout: Layout, form: Form, batch: int
) -> tuple[onnx.ModelProto, dict[str, Array], Array]:
    """The operator alone, what to feed its inputs of `layout`, and what NumPy says comes out."""
    values = sample.values(batch)
    writer, read, takes, feed = Writer(form), [], [], {}
    for path, type_ in zip(sample.inputs, sample.types, strict=True):
        if not type_.batched:
            read.append(OnnxValue(path, type_, {}, values[path]))
            continue
        how: Layout = layout if len(type_.shape) == 4 else "map"
        feed[path] = laid(values[path], how)
        read.append(OnnxValue(path, type_, {how: path}))
        shape = [form.batch or "n", *feed[path].shape[1:]]
        takes.append(helper.make_tensor_value_info(path, TensorProto.FLOAT, shape))
    out = sample.op.infer(*sample.types)
    node = Node("it", sample.op, tuple(sample.inputs), out, sample.op.params(*sample.types))
    writer.begin(node, sample.types, {k[3:]: v for k, v in values.items() if k.startswith("it.")})
    end = writer.end(writer.read(sample.op.onnx(writer, *read)), "value")
    gives = helper.make_tensor_value_info(end, TensorProto.FLOAT, [form.batch or "n", *out.sizes])
    graph = helper.make_graph(writer.nodes, "it", takes, [gives], list(writer.constants.values()))
    opsets = [helper.make_opsetid("", form.opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))
    return model, feed, sample.numpy(values)
