"""What may be asked for: every combination that makes no sense is one error that says what would."""

from __future__ import annotations

from typing import Any

import pytest

from cmt_dsl.errors import CmtError
from runtime.deploy.export.wish import KINDS, RULES, wish

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("onnx", {"precision": "bf16"}, "fp32 or fp16"),
    ("onnx", {"opset": 16}, "17 or 18"),
    ("onnx", {"opset": 23}, "or 22"),
    ("onnx", {"batch": "0"}, "--batch N"),
    ("onnx", {"batch": "-1"}, "--batch N"),
    ("onnx", {"batch": "many"}, "--batch N"),
    ("onnx", {"batch": "²"}, "--batch N"),
    ("onnx", {"batch": "5000"}, "4096"),
    ("onnx", {"batch": "9" * 5000}, "4096"),
    ("onnx", {"soc": "Ascend310P3"}, "--format om"),
    ("onnx", {"license": "mit"}, "--format hub"),
    ("openvino", {"flavour": "ort"}, "openvino"),
    ("mindir", {"precision": "bf16"}, "fp32 or fp16"),
    ("mindir", {"flavour": "plain"}, "leave --flavour out"),
    ("mindir", {"opset": 17}, "leave --opset out"),
    ("mindir", {"batch": "dynamic"}, "--batch N"),
    ("mindir", {"preprocess": True}, "leave --preprocess out"),
    ("om", {"batch": "dynamic"}, "--batch N"),
    ("onnx", {"flavour": "ascend", "batch": "dynamic"}, "--batch N"),
    ("onnx", {"flavour": "ascend", "opset": 20}, "17 or 18"),
    ("om", {"opset": 20}, "17 or 18"),
    ("om", {"flavour": "plain"}, "ascend"),
    ("om", {"precision": "bf16"}, "fp16 or fp32"),
    ("om", {"preprocess": True}, "--insert_op_conf"),
    ("hub", {"precision": "fp16"}, "fp32"),
    ("hub", {"optimise": True}, "leave --optimise out"),
    ("hub", {"batch": "2"}, "leave --batch out"),
    ("hub", {"flavour": "ort"}, "leave --flavour out"),
    ("hub", {"preprocess": True}, "leave --preprocess out"),
]


@pytest.mark.parametrize(("kind", "given", "hint"), WRONG)
def test_what_makes_no_sense(kind: Any, given: dict[str, Any], hint: str) -> None:
    with pytest.raises(CmtError) as caught:
        wish(kind, **given)
    (problem,) = caught.value.problems
    assert problem.code == "CMT-850" and hint in problem.hint


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_said_is_the_first_of_each(kind: Any) -> None:
    made, rules = wish(kind), RULES[kind]
    assert made.precision == rules.precisions[0]
    assert made.flavour == next(iter(rules.flavours), None)
    assert made.batch == (1 if kind in ("mindir", "om") else None)
    assert made.optimise == (kind != "hub")


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_format_lists_can_be_asked_for(kind: Any) -> None:
    rules = RULES[kind]
    for precision in rules.precisions:
        assert wish(kind, precision=precision).precision == precision
    for flavour in rules.flavours:
        assert wish(kind, flavour=flavour).flavour == flavour
    for opset in rules.opsets:
        assert wish(kind, opset=opset).opset == opset
    if rules.fixed:
        assert wish(kind, batch="3").batch == 3
