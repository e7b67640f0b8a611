"""What an export is asked for, and which combinations make sense: settled here once, before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from cmt_dsl.errors import CmtError

Kind = Literal["onnx", "openvino", "mindir", "om", "hub"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
Flavour = Literal["plain", "ort", "openvino", "ascend"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OPSETS = range(17, 23)
"""17 has LayerNormalization; 23 can be written too (`lower/onnx`), and adds nothing that these models use."""
GELU = 20
"""The first opset that has it."""
MOST = 4096
"""Images that a fixed batch may have."""


@dataclass(frozen=True)
class Rules:
    """What a format can be; the first of each is what it is where nobody says anything."""

    precisions: tuple[Precision, ...]
    flavours: tuple[Flavour, ...] = ()
    opsets: Sequence[int] = ()
    dynamic: bool = False
    """Whether its batch may be free, and is unless somebody says a number."""
    fixed: bool = True
    preprocess: bool = False
    optimised: bool = True
    """Whether the graph may be folded."""


RULES: dict[Kind, Rules] = {
    "onnx": Rules(("fp32", "fp16", "int8"), ("plain", "ort", "openvino", "ascend"), OPSETS, dynamic=True, preprocess=True),
    "openvino": Rules(("fp32", "fp16", "bf16", "int8"), ("openvino",), OPSETS, dynamic=True, preprocess=True),
    "mindir": Rules(("fp32", "fp16")),
    "om": Rules(("fp16", "fp32"), ("ascend",), (17, 18)),  # fp16 is what atc does unasked
    "hub": Rules(("fp32",), fixed=False, optimised=False),
}  # fmt: skip
QUANTISED: tuple[Flavour, ...] = ("ort", "openvino")
"""Flavours that int8 is for: each runtime wants it written differently."""
REASONS = {
    (
        "onnx",
        "bf16",
    ): "few runtimes compute ONNX in bf16; OpenVINO computes any file in bf16 where the processor can",
    ("om", "bf16"): "atc's bf16 is for some training processors alone",
    ("hub", "fp16"): "a hub folder holds the weights as they are",
    ("hub", "bf16"): "a hub folder holds the weights as they are",
    ("mindir", "bf16"): "MindSpore's CPU, which reads it back, has no bf16",
}
"""Why a format lacks a precision, where that is not plain."""


@dataclass(frozen=True)
class Wish:
    """An export that makes sense."""

    kind: Kind
    precision: Precision
    flavour: Flavour | None
    """None for a format that has none."""
    opset: int | None
    batch: int | None
    """Images at once; None: any number."""
    preprocess: bool
    optimise: bool
    soc: str | None
    license: str | None


def wish(
    kind: Kind,
    *,
    precision: Precision | None = None,
    flavour: Flavour | None = None,
    opset: int | None = None,
    batch: str | None = None,
    preprocess: bool = False,
    optimise: bool | None = None,
    soc: str | None = None,
    license: str | None = None,
) -> Wish:
    """What is asked for, None being what the format does by itself; CMT-850 for what the format cannot be."""
    rules = RULES[kind]
    precision = precision if precision is not None else rules.precisions[0]
    if precision not in rules.precisions:
        why = REASONS.get((kind, precision))
        raise _no(f"{kind} in {precision}" + (f": {why}" if why else ""), "--precision", rules.precisions)
    if precision == "int8":  # OpenVINO is for fixed ones: see `quantised`
        free = kind == "onnx" and flavour != "openvino"
        flavours = tuple(name for name in rules.flavours if name in QUANTISED)
        rules = replace(rules, flavours=QUANTISED if kind == "onnx" else flavours, dynamic=free)
    if flavour is not None and flavour not in rules.flavours:
        others = "the format has no flavours: leave --flavour out"
        raise _no(f"{kind} of flavour {flavour}", "--flavour", rules.flavours, others)
    if opset is not None and opset not in rules.opsets:
        others = "the format has no opset: leave --opset out"
        raise _no(f"{kind} with opset {opset}", "--opset", list(map(str, rules.opsets)), others)
    if preprocess and not rules.preprocess:
        hint = "leave --preprocess out" + ("; atc puts it in by --insert_op_conf" if kind == "om" else "")
        raise CmtError("CMT-850", f"there is no {kind} with preprocessing inside", hint=hint)
    if optimise and not rules.optimised:
        hint = "leave --optimise out"
        raise CmtError("CMT-850", f"a {kind} folder holds the model as it was trained", hint=hint)
    if soc is not None and kind != "om":
        raise CmtError(
            "CMT-850", f"{kind} is for no certain processor", hint="--soc-version goes with --format om"
        )
    if license is not None and kind != "hub":
        raise CmtError(
            "CMT-850", f"{kind} has no place for a licence", hint="--license goes with --format hub"
        )
    if opset is None and precision == "int8" and "ort" in rules.flavours and flavour != "openvino":
        opset = GELU  # as one node, whose input ONNX Runtime dequantises once
    chosen = flavour if flavour is not None else next(iter(rules.flavours), None)
    if chosen == "ascend":  # also of an ONNX file: atc will read it
        rules = replace(rules, opsets=RULES["om"].opsets, dynamic=False)
        if opset is not None and opset not in rules.opsets:
            raise _no(f"opset {opset} that atc reads", "--opset", list(map(str, rules.opsets)))
    return Wish(
        kind,
        precision,
        chosen,
        (opset if opset is not None else rules.opsets[0]) if rules.opsets else None,
        _batch(kind, rules, batch),
        preprocess,
        rules.optimised if optimise is None else optimise,
        soc,
        license,
    )


def _batch(kind: Kind, rules: Rules, text: str | None) -> int | None:
    if text is not None and not rules.fixed:
        raise CmtError("CMT-850", f"{kind} has no batch", hint="leave --batch out")
    if text is None:
        return None if rules.dynamic or not rules.fixed else 1
    if text == "dynamic":
        if not rules.dynamic:
            what = f"{kind} of this flavour or precision"
            hint = "--batch N, or nothing for one image"
            raise CmtError("CMT-850", f"{what} has one fixed batch", hint=hint)
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MOST:
        hint = f"--batch N from 1 to {MOST}" + (", or dynamic" if rules.dynamic else "")
        raise CmtError("CMT-850", f"'{text}' is no number of images", hint=hint)
    return int(text)


def _no(what: str, option: str, known: Sequence[str], none: str = "") -> CmtError:
    hint = f"{option} {' or '.join(known)}" if known else none
    return CmtError("CMT-850", f"there is no {what}", hint=hint)
