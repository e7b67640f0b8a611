"""What a file may be and ask for, looked at before any runtime sees it."""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.deploy.files.external import require_beside
from runtime.deploy.files.form import shown

MOST_NODES = 200_000
DEEPEST = 16
LARGEST_ONNX = 2**31
MOST_NUMBERS = 2**33
"""Of a declared tensor; a weight of CMT-B has two millions."""
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
FORBIDDEN = {"EPContext", "PythonOp", "PythonOpGrad", "ATen", "Snpe", "ExternalFunc"}
"""Operators that load or call what lies outside of the file."""
_KNOWN = {
    b"PK\x03\x04": "a ZIP archive, as torch.save writes", b"\x80\x02": "a pickle", b"\x80\x04": "a pickle",
    b"\x1f\x8b": "compressed by gzip", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"%PDF": "a PDF",
    b"version https://git-lfs": "a pointer of Git LFS, and not the file itself", b"\x93NUMPY": "a NumPy array",
    b"\x7fELF": "a program or a library", b"\x89HDF": "an HDF5 file",
}  # fmt: skip


def require_file(path: Path, kind: str) -> int:
    """The bytes of a plain file that may be of `kind` ("ONNX", "OpenVINO" or "MindIR") by how it begins; CMT-858."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise CmtError("CMT-858", f"{path} is no file", hint=f"give the {kind} file itself")
        with path.open("rb") as file:
            head = file.read(4096)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CmtError("CMT-858", f"cannot read {path}: {why}", hint="check the path") from None
    if not head:
        raise CmtError("CMT-858", f"{path} is empty", hint="export it anew")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    what = next((what for start, what in _KNOWN.items() if head.startswith(start)), "")
    if head[8:10] == b'{"':
        what = "a safetensors file of weights"
    elif text[:9].lower() in (b"<!doctype", b"<html>") or text[:5].lower() == b"<html":
        what = "a web page"
    elif kind == "OpenVINO":
        what = what or ("" if text.startswith((b"<?xml", b"<net")) else "no XML")
    elif text.startswith((b"<?xml", b"<net")):
        what = "XML"
    if what:
        raise CmtError(
            "CMT-858", f"{path} is not {kind}: it is {what}", hint="give a file that cmt export wrote"
        )
    if kind == "ONNX" and about.st_size > LARGEST_ONNX:
        raise CmtError(
            "CMT-858", f"{path} has {about.st_size:,} bytes, an ONNX file at most {LARGEST_ONNX:,}"
        )
    return about.st_size


def require_harmless(model: Any, path: Path) -> None:
    """CMT-858 for an ONNX model (a `ModelProto`) that cannot be one, CMT-859 for what it may not ask for."""
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise CmtError(
            "CMT-858",
            f"{path} is damaged, or no ONNX file: it has no nodes or no outputs",
            hint="export it anew",
        )
    own = {function.domain for function in model.functions}
    nodes = [*_nodes(model.graph.node, path)]
    for function in model.functions:
        nodes += _nodes(function.node, path)
    if len(nodes) > MOST_NODES:
        raise CmtError("CMT-859", f"{path} has {len(nodes):,} nodes, more than {MOST_NODES:,}")
    for node in nodes:
        name = shown(f"{node.domain}.{node.op_type}" if node.domain else node.op_type)
        if node.domain not in DOMAINS | own or node.op_type in FORBIDDEN:
            raise CmtError(
                "CMT-859",
                f"{path} asks for the operator {name}, which is neither ONNX's nor ONNX Runtime's own",
                hint="libraries of operators are not loaded; export the model with standard operators",
            )
    for given in (*model.graph.input, *model.graph.output):
        require_size(path, given.name, [dim.dim_value for dim in given.type.tensor_type.shape.dim])
    for tensor in _tensors(model, nodes):
        _require_sound(tensor, path)


def require_size(path: Path, name: str, sizes: list[int]) -> None:
    """CMT-858 for a shape that no tensor has."""
    if any(size < 0 for size in sizes) or math.prod(max(size, 1) for size in sizes) > MOST_NUMBERS:
        text = " × ".join(map(str, sizes[:8]))
        raise CmtError(
            "CMT-858", f"{path}: '{shown(name)}' is {text}, which no tensor is", hint="export it anew"
        )


def _nodes(nodes: Any, path: Path, depth: int = 0) -> Iterator[Any]:
    if depth > DEEPEST:
        raise CmtError("CMT-859", f"{path} nests graphs more than {DEEPEST} deep")
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(graph.node, path, depth + 1)


def _tensors(model: Any, nodes: list[Any]) -> Iterator[Any]:
    graphs = [model.graph, *(a.g for n in nodes for a in n.attribute if a.HasField("g"))]
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes:
        for attribute in node.attribute:
            yield from ([attribute.t] if attribute.HasField("t") else [])
            yield from attribute.tensors


def _require_sound(tensor: Any, path: Path) -> None:
    from onnx import TensorProto, helper

    sizes = list(tensor.dims)
    require_size(path, tensor.name, sizes)
    external = tensor.data_location == TensorProto.EXTERNAL
    if not external and not tensor.HasField("raw_data"):
        return  # numbers one by one: the runtimes count them
    try:
        each = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        raise CmtError(
            "CMT-858", f"{path}: '{shown(tensor.name)}' is of no known type", hint="export it anew"
        ) from None
    packed = {getattr(TensorProto, name, -1) for name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2")}
    wanted = math.prod(sizes) * each
    if external:
        said = {entry.key: entry.value for entry in tensor.external_data}
        require_beside(path, said.get("location", ""), said.get("offset", "0"), said.get("length"))
        held = int(said["length"]) if "length" in said else wanted
    else:
        held = len(tensor.raw_data)
    if held != wanted and tensor.data_type not in packed:
        raise CmtError(
            "CMT-858",
            f"{path}: '{shown(tensor.name)}' should have {wanted:,} bytes and has {held:,}",
            hint="export it anew",
        )
