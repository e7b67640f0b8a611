"""What the compiler sees: types, parameters, operators, nodes, scopes, one immutable graph."""

from cmt_dsl.ir.graph import Graph, Node, ParamInfo, Scope, signature
from cmt_dsl.ir.op import Array, Arrays, Emitter, Op
from cmt_dsl.ir.tensor import Init, Param, TensorType, broadcast

__all__ = [
    "Array",
    "Arrays",
    "Emitter",
    "Graph",
    "Init",
    "Node",
    "Op",
    "Param",
    "ParamInfo",
    "Scope",
    "TensorType",
    "broadcast",
    "signature",
]
