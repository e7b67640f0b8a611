"""What the compiler sees: types, parameters, operators, nodes, scopes, one immutable graph."""

from cmt_dsl.ir.graph import Graph, Node, ParamInfo, Scope, above, signature
from cmt_dsl.ir.op import LATER, Array, Arrays, Emitter, Op
from cmt_dsl.ir.program import Program
from cmt_dsl.ir.rewrite import Surgery, cut, insert, remove, rename, replace
from cmt_dsl.ir.tensor import Init, Param, TensorType, broadcast
from cmt_dsl.ir.text import parsed, spelled, text, whole_text
from cmt_dsl.ir.verify import ROOT, verify

__all__ = [
    "LATER",
    "ROOT",
    "Array",
    "Arrays",
    "Emitter",
    "Graph",
    "Init",
    "Node",
    "Op",
    "Param",
    "ParamInfo",
    "Program",
    "Scope",
    "Surgery",
    "TensorType",
    "above",
    "broadcast",
    "cut",
    "insert",
    "parsed",
    "remove",
    "rename",
    "replace",
    "signature",
    "spelled",
    "text",
    "verify",
    "whole_text",
]
