"""What an exported file says of itself: the keys, and the one form in which they are written and read.

In ONNX they are `metadata_props`, in OpenVINO they are `rt_info` at ["cmt", NAME], NAME being the key without "cmt.".
All values are text. `runtime.deploy.files.told` reads them back, and believes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

PREFIX = "cmt."
RT_INFO = "cmt"
"""Under which OpenVINO's `rt_info` holds the names."""

SPEC = "cmt.spec"
FINGERPRINT = "cmt.fingerprint"
PREPROCESSING = "cmt.preprocessing"
CLASSES = "cmt.classes"
VERSION = "cmt.version"
FLAVOUR = "cmt.flavour"
PRECISION = "cmt.precision"
INPUT = "cmt.input"
OUTPUT = "cmt.output"
KEYS = (SPEC, FINGERPRINT, PREPROCESSING, CLASSES, VERSION, FLAVOUR, PRECISION, INPUT, OUTPUT)

Input = Literal["float32 NCHW", "uint8 NHWC"]
"""What the program takes: normalised images, or pixels as they come from a decoder (it normalises them itself)."""
Output = Literal["logits", "probabilities"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
INPUTS: tuple[Input, ...] = get_args(Input)
OUTPUTS: tuple[Output, ...] = get_args(Output)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Preprocessing:
    """From a decoded picture to what a program that takes "float32 NCHW" is given: (pixel / 255 - mean) / std."""

    mean: tuple[float, ...]
    """Of each channel, pixels being 0 to 1."""
    std: tuple[float, ...]
    size: tuple[int, int]
    """Height and width of the input."""
    interpolation: str = "bicubic"
    """By Pillow's name, in lower case."""
    crop: float = 1.0
    """The shorter side is resized to size / crop, then the centre is cut out."""

    def json(self) -> dict[str, Any]:
        return {
            "mean": list(self.mean),
            "std": list(self.std),
            "size": list(self.size),
            "interpolation": self.interpolation,
            "crop": self.crop,
        }


@dataclass(frozen=True)
class Metadata:
    """Everything that a file says; what is empty was not said. A foreign file says nothing."""

    spec: str = ""
    """The resolved spec as YAML: what `cmt check` reads."""
    fingerprint: str = ""
    """Of the graph before any pass."""
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    """Names of the logits, in order."""
    version: str = ""
    """Of this project."""
    flavour: str = ""
    precision: Precision | None = None
    input: Input = "float32 NCHW"
    output: Output = "logits"

    def props(self) -> dict[str, str]:
        """The text of each key, for what is said."""
        said = {
            SPEC: self.spec,
            FINGERPRINT: self.fingerprint,
            PREPROCESSING: json.dumps(self.preprocessing.json()) if self.preprocessing else "",
            CLASSES: json.dumps(list(self.classes), ensure_ascii=False) if self.classes else "",
            VERSION: self.version,
            FLAVOUR: self.flavour,
            PRECISION: self.precision or "",
            INPUT: self.input,
            OUTPUT: self.output,
        }
        return {key: text for key, text in said.items() if text}

    def rt_info(self) -> dict[tuple[str, str], str]:
        """The same for OpenVINO: text by the path that `Model.set_rt_info` takes."""
        return {(RT_INFO, key.removeprefix(PREFIX)): text for key, text in self.props().items()}
