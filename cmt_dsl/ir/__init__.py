"""What the compiler sees: types, parameters, operators, nodes, scopes, one immutable graph."""

from cmt_dsl.ir.fit import Misfit, misfits, require_fit
from cmt_dsl.ir.graph import Graph, Node, ParamInfo, Scope, signature
from cmt_dsl.ir.onnx_emitter import Layout, OnnxEmitter, OnnxValue
from cmt_dsl.ir.op import LATER, Emitter, Op, Samples
from cmt_dsl.ir.paths import (
    GraphLevel,
    WeightLevel,
    above,
    below,
    block_numbers,
    block_of,
    depths,
    is_block,
    stage_of,
)
from cmt_dsl.ir.program import Program
from cmt_dsl.ir.rewrite import Surgery, cut, insert, remove, rename, replace
from cmt_dsl.ir.tensor import Array, Arrays, Init, Param, TensorType, broadcast
from cmt_dsl.ir.text import parsed, spelled, text, whole_text
from cmt_dsl.ir.verify import ROOT, verify

__all__ = [
    "LATER",
    "ROOT",
    "Array",
    "Arrays",
    "Emitter",
    "Graph",
    "GraphLevel",
    "Init",
    "Layout",
    "Misfit",
    "Node",
    "OnnxEmitter",
    "OnnxValue",
    "Op",
    "Param",
    "ParamInfo",
    "Program",
    "Samples",
    "Scope",
    "Surgery",
    "TensorType",
    "WeightLevel",
    "above",
    "below",
    "block_numbers",
    "block_of",
    "broadcast",
    "cut",
    "depths",
    "insert",
    "is_block",
    "misfits",
    "parsed",
    "remove",
    "rename",
    "replace",
    "require_fit",
    "signature",
    "spelled",
    "stage_of",
    "text",
    "verify",
    "whole_text",
]
