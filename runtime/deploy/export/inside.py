"""Preprocessing inside an ONNX model: pixels as a decoder gives them in, probabilities out."""

from __future__ import annotations

from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.image.transforms import LUMA
from runtime.deploy.metadata import Preprocessing
from runtime.infer.metrics import softmax

PIXELS, PROBABILITIES = "images", "probabilities"


def require_inside(how: Preprocessing | None, shape: tuple[int | None, ...], name: str) -> Preprocessing:
    """CMT-850 unless the model is a classifier of pictures, for which it is known how they are shown to it."""
    if how is None:
        message = f"how {name} wants its images is not known: they have another number of channels than 1 or 3, or no crop"
        raise CmtError("CMT-850", message, hint="leave --preprocess out")
    if len(shape) != 2:
        message = f"{name} gives no logits, of which --preprocess would make probabilities"
        raise CmtError("CMT-850", message, hint="leave --preprocess out")
    return how


def with_preprocessing(model: Any, how: Preprocessing) -> None:
    """Change a model of normalised images [n, c, h, w] into one of uint8 [n, h, w, 3], in place.

    Whole numbers are transposed before they become fractions: a fourth of the bytes.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    images, logits = graph.input[0], graph.output[0]
    shown, inner = images.name, "preprocess/images"
    for node in graph.node:
        node.input[:] = [inner if name == shown else name for name in node.input]
    if logits.name == shown or any(logits.name in node.input for node in graph.node):
        raise CmtError("CMT-850", "a model whose logits are read inside cannot end in probabilities")
    dims = images.type.tensor_type.shape.dim
    batch, (height, width) = dims[0], how.size
    n = batch.dim_param or batch.dim_value
    scale, shift = factors(how)
    if len(how.mean) == 1:
        first = [
            helper.make_node("Cast", [PIXELS], ["preprocess/float"], "preprocess/cast", to=TensorProto.FLOAT)
        ]
        first += [helper.make_node("MatMul", ["preprocess/float", "preprocess.luma"], ["preprocess/grey"], "preprocess/luminance"),
                  helper.make_node("Transpose", ["preprocess/grey"], ["preprocess/nchw"], "preprocess/transpose", perm=[0, 3, 1, 2])]  # fmt: skip
    else:
        first = [helper.make_node("Transpose", [PIXELS], ["preprocess/planes"], "preprocess/transpose", perm=[0, 3, 1, 2]),
                 helper.make_node("Cast", ["preprocess/planes"], ["preprocess/nchw"], "preprocess/cast", to=TensorProto.FLOAT)]  # fmt: skip
    first += [
        helper.make_node("Mul", ["preprocess/nchw", "preprocess.scale"], ["preprocess/scaled"], "preprocess/scale"),
        helper.make_node("Sub", ["preprocess/scaled", "preprocess.shift"], [inner], "preprocess/shift"),
    ]  # fmt: skip
    constants = {"preprocess.scale": scale, "preprocess.shift": shift, "preprocess.luma": LUMA[:, None]}
    used = {name for node in first for name in node.input}
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items() if k in used)
    rest = [*first, *graph.node]
    rest.append(helper.make_node("Softmax", [logits.name], [PROBABILITIES], PROBABILITIES, axis=-1))
    gives = helper.make_tensor_value_info(
        PROBABILITIES, TensorProto.FLOAT, [n, logits.type.tensor_type.shape.dim[1].dim_value]
    )
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(rest)
    graph.input.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [n, height, width, 3]))
    graph.output.append(gives)


def factors(how: Preprocessing) -> tuple[Array, Array]:
    """(scale, shift) [c, 1, 1]: a pixel of 0 to 255 times scale, less shift."""
    mean, std = np.array(how.mean), np.array(how.std)
    return tuple(np.float32(v)[:, None, None] for v in (1 / (255 * std), mean / std))  # type: ignore[return-value]


def normalised(pixels: Array, how: Preprocessing) -> Array:
    """uint8 [n, h, w, 3] as the model without preprocessing takes it: float32 [n, c, h, w]."""
    seen = pixels.astype(np.float32)
    planes = (seen @ LUMA[:, None] if len(how.mean) == 1 else seen).transpose(0, 3, 1, 2)
    scale, shift = factors(how)
    return np.ascontiguousarray(planes * scale - shift, dtype=np.float32)


def pixels(images: Array, how: Preprocessing) -> Array:
    """Normalised images float32 [n, c, h, w] as a decoder gave them: uint8 [n, h, w, 3]."""
    scale, shift = factors(how)
    seen = np.clip(np.rint((images + shift) / scale), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.broadcast_to(seen, (*seen.shape[:3], 3)))


def chances(logits: Array) -> Array:
    """Probabilities of logits, as the model inside gives them."""
    return softmax(logits.astype(np.float64))
