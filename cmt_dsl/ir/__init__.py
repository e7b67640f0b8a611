"""What the compiler sees: types, parameters, operators, nodes, scopes, one immutable graph."""

from cmt_dsl.ir.graph import STAGE, Graph, Node, ParamInfo, Scope, above, signature
from cmt_dsl.ir.op import LATER, Array, Arrays, Emitter, Op
from cmt_dsl.ir.tensor import Init, Param, TensorType, broadcast
from cmt_dsl.ir.text import spelled, text
from cmt_dsl.ir.verify import verify

__all__ = [
    "LATER",
    "STAGE",
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
    "above",
    "broadcast",
    "signature",
    "spelled",
    "text",
    "verify",
]
