"""What of an ONNX model can be computed in int8, by kind and stage, and what of it is chosen."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cmt_dsl.errors import CmtError

Kind = Literal["first", "convolution", "depthwise", "pointwise", "linear", "product", "classifier"]
"""The first convolution, which reads the images; other convolutions with a larger kernel; those of one channel each;
those of one pixel; products with weights on tokens; products of two activations (attention's); the last layer."""
KINDS: tuple[Kind, ...] = get_args(Kind)
DELICATE: tuple[Kind, ...] = ("first", "product", "classifier")
"""What stays in float unless it is asked for: few of the operations, and the most of the loss."""


@dataclass(frozen=True)
class Quantisable:
    """A node whose inputs can be int8."""

    name: str
    kind: Kind
    stage: str
    """Such as stem, stages.2 or head."""
    activations: tuple[str, ...]
    """Tensors that are computed."""
    weight: str | None
    axis: int
    """Of the weight: its output channels."""
    output: str

    def called(self, pattern: str) -> bool:
        """Whether a pattern means it: its kind, its stage, or its name, with * and ? as in a shell."""
        return pattern in (self.kind, self.stage) or fnmatch.fnmatchcase(self.name, pattern)


def quantisable(model: Any) -> tuple[Quantisable, ...]:
    """In the model's order."""
    return tuple(_found(model.graph))


def chosen(
    every: Sequence[Quantisable], left: Sequence[Kind], keep: Sequence[str] = (), quantise: Sequence[str] = ()
) -> tuple[Quantisable, ...]:
    """What is computed in int8: all but kinds that are `left` in float unless `quantise` names them, and `keep`.

    CMT-856 for a pattern that means no node that could be int8, or where nothing remains.
    """
    for option, patterns in (("--keep", keep), ("--quantise", quantise)):
        for pattern in patterns:
            if not any(each.called(pattern) for each in every):
                kinds, stages = (dict.fromkeys(getattr(e, of) for e in every) for of in ("kind", "stage"))
                hint = f"a kind ({', '.join(kinds)}), a stage ({', '.join(stages)}) or a name such as {every[-1].name}"
                message = f"{option} {pattern} means no node that can be int8; norms, GELU and softmax stay in float"
                raise CmtError("CMT-856", message, hint=hint if every else "--precision fp32")
    taken = tuple(
        each
        for each in every
        if (each.kind not in left or any(map(each.called, quantise))) and not any(map(each.called, keep))
    )
    if not taken:
        raise CmtError("CMT-856", "nothing is left that would be int8", hint="keep less, or --precision fp32")
    return taken


def _found(graph: Any) -> Iterator[Quantisable]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    last = next((n.name for n in reversed(graph.node) if n.op_type in ("Gemm", "MatMul", "Conv")), "")
    for node in graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm"):
            continue
        data, other = node.input[:2]
        if data in shapes:
            continue
        weight = other if other in shapes else None
        if weight is None and node.op_type != "MatMul":
            continue
        given = {a.name: a for a in node.attribute}
        transposed = node.op_type == "Gemm" and "transB" in given and given["transB"].i == 1
        axis = 0 if node.op_type == "Conv" or transposed else len(shapes[other]) - 1 if weight else 0
        kind = _kind(node, shapes.get(other), given, graph.input[0].name, last)
        activations = (data,) if weight else (data, other)
        yield Quantisable(node.name, kind, _stage(node.name), activations, weight, axis, node.output[0])


def _kind(node: Any, shape: tuple[int, ...] | None, given: dict[str, Any], images: str, last: str) -> Kind:
    if shape is None:
        return "product"
    if node.name == last:
        return "classifier"
    if node.op_type != "Conv":
        return "linear"
    if node.input[0] == images:
        return "first"
    if "group" in given and given["group"].i > 1 and shape[1] == 1:
        return "depthwise"
    return "pointwise" if all(size == 1 for size in shape[2:]) else "convolution"


def _stage(name: str) -> str:
    parts = name.split("/")[0].split(".")
    return ".".join(parts[:2]) if parts[0] == "stages" else parts[0]
