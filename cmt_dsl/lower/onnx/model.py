"""A program as an ONNX model: images in, the graph's outputs out, node and constant names are paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

from cmt_dsl.ir import Array, Graph, Node, OnnxValue, Program
from cmt_dsl.lower.onnx.form import Form
from cmt_dsl.lower.onnx.writer import Writer

IMAGES = "images"
"""Name of the input: float32 [n, channels, height, width]."""
_BATCH = "n"


def to_onnx(program: Program, form: Form | None = None, *, outputs: Sequence[str] = ()) -> ModelProto:
    """The ONNX model of a program, float32.

    Args:
        program: a verified graph with its weights.
        form: flavour, opset, batch; plain, 17 and any number if left out.
        outputs: paths of nodes or blocks to give, called by their paths; none: the graph's own outputs by their names.

    Raises CMT-404 for a path that there is not. Values that do not depend on the image are constants of the model.
    """
    form = form or Form()
    graph = program.graph
    wanted = [(path, graph.output_of(path)) for path in outputs] or list(graph.outputs)
    writer = Writer(form)
    values = {graph.input.path: OnnxValue(graph.input.path, graph.input.type, {"map": IMAGES})}
    for node in graph.needed([path for _, path in wanted])[1:]:
        values[node.path] = _value(node, graph, program, values, writer)
    tensors = [writer.read(values[path]) for _, path in wanted]
    ends = [writer.end(tensor, name) for tensor, (name, _) in zip(tensors, wanted, strict=True)]
    batch = form.batch or _BATCH
    gives = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [d or batch for d in values[path].type.shape])
        for name, (_, path) in zip(ends, wanted, strict=True)
    ]
    shape = [batch, *graph.input.type.sizes]
    takes = [helper.make_tensor_value_info(IMAGES, TensorProto.FLOAT, shape)]
    used = {name for node in writer.nodes for name in node.input}
    constants = [each for name, each in writer.constants.items() if name in used]
    opsets = [helper.make_opsetid("", form.opset)]
    made = helper.make_graph(writer.nodes, graph.name, takes, gives, constants)
    ir = helper.find_min_ir_version_for(opsets)
    return helper.make_model(made, opset_imports=opsets, ir_version=ir, producer_name="cmt-dsl")


def _value(
    node: Node, graph: Graph, program: Program, values: dict[str, OnnxValue], writer: Writer
) -> OnnxValue:
    read = [values[path] for path in node.inputs]
    weights = {p.name: np.asarray(program.weights[node.param_path(p)], np.float64) for p in node.params}
    constants = [x.constant for x in read if x.constant is not None]
    if not node.type.batched and len(constants) == len(read):
        value: Array = node.op.numpy(weights, *constants)
        return OnnxValue(node.path, node.type, {}, value)
    writer.begin(node, graph.input_types(node), weights)
    return node.op.onnx(writer, *read)
