"""Programs as ONNX models: `to_onnx` and the `Form` that each runtime likes best."""

from cmt_dsl.lower.onnx.form import FLAVOURS, OPSETS, Flavour, Form
from cmt_dsl.lower.onnx.model import IMAGES, to_onnx

__all__ = ["FLAVOURS", "IMAGES", "OPSETS", "Flavour", "Form", "to_onnx"]
