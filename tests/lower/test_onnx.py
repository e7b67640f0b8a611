"""What is written as ONNX computes what NumPy says: each operator in each layout, whole models in each form."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest

from cmt_dsl import CmtError, build, load
from cmt_dsl.ir import Layout, Program
from cmt_dsl.lower.numpy import run, run_all
from cmt_dsl.lower.onnx import FLAVOURS, OPSETS, Form, to_onnx
from cmt_dsl.weights.arbitrary import arbitrary
from runtime.device.isa import whole_instruction_set
from tests.lower.onnx_models import layouts, of_sample
from tests.ops.single import Sample, samples
from tests.tiny import graph_of

CASES = [(sample, layout) for sample in samples() for layout in layouts(sample)]
NAMES = [f"{sample.name}-{layout}" for sample, layout in CASES]


def by_onnxruntime(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feed)


def by_openvino(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    with whole_instruction_set():
        read = openvino.Core().read_model(model.SerializeToString())
        found = openvino.compile_model(read, "CPU", exact)(feed)
    return [np.array(found[port]) for port in range(len(read.outputs))]


@functools.cache
def program(name: str) -> Program:
    """A model with weights that are no start values, so that nothing is 0 or 1 by chance."""
    graph = build(load(name))
    return Program.of(graph, arbitrary(graph, 7))


def images(of: Program, count: int = 2) -> np.ndarray:
    shape = (count, *of.graph.input.type.sizes)
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def close(found: np.ndarray, expected: np.ndarray, bound: float = 1e-5) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * max(1e-3, np.abs(expected).max()))


@pytest.mark.parametrize(("sample", "layout"), CASES, ids=NAMES)
@pytest.mark.parametrize("opset", [17, 20])
def test_an_operator_in_onnxruntime(sample: Sample, layout: Layout, opset: int) -> None:
    model, feed, expected = of_sample(sample, layout, Form(opset=opset), batch=3)
    onnx.checker.check_model(model, full_check=True)
    (found,) = by_onnxruntime(model, feed)
    close(found, expected)


@pytest.mark.parametrize(("sample", "layout"), CASES, ids=NAMES)
def test_an_operator_in_openvino(sample: Sample, layout: Layout) -> None:
    model, feed, expected = of_sample(sample, layout, Form("openvino", batch=3), batch=3)
    (found,) = by_openvino(model, feed)
    close(found, expected)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_is_written_as_its_checker_wants_it(opset: int) -> None:
    of = program("cmt_nano")
    model = to_onnx(of, Form(opset=opset))
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == opset
    (found,) = by_onnxruntime(model, {"images": images(of)})
    close(found, run(of.graph, of.weights, images(of)))


@pytest.mark.parametrize("name", ["cmt_nano", "example_attention", "example_parallel"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_model_in_both_runtimes(name: str, flavour: Any) -> None:
    of, given = program(name), images(program(name))
    expected = run(of.graph, of.weights, given)
    model = to_onnx(of, Form(flavour, batch=2))
    for runtime in (by_onnxruntime, by_openvino):
        (found,) = runtime(model, {"images": given})
        close(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cmt_ti", "cmt_xs", "cmt_s", "cmt_b"])
def test_the_published_models(name: str) -> None:
    of = program(name)
    given = images(of, 1)
    expected = run(of.graph, of.weights, given)
    for flavour, runtime in (("ort", by_onnxruntime), ("openvino", by_openvino)):
        (found,) = runtime(to_onnx(of, Form(flavour, batch=1)), {"images": given})  # type: ignore[arg-type]
        close(found, expected, 1e-4)


def test_any_number_of_images() -> None:
    of = program("cmt_nano")
    session = onnxruntime.InferenceSession(to_onnx(of).SerializeToString())
    for count in (1, 2, 5):
        (found,) = session.run(None, {"images": images(of, count)})
        close(found, run(of.graph, of.weights, images(of, count)))


def test_inner_values_and_whole_blocks_can_be_outputs() -> None:
    of, given = program("cmt_nano"), images(program("cmt_nano"))
    paths = ["stages.1", "stages.1.blocks.0.norm1", "stages.1.blocks.0.attn.q_heads", "head", "input"]
    nodes = [of.graph.output_of(path) for path in paths]
    expected = run_all(of.graph, of.weights, given, nodes)
    model = to_onnx(of, outputs=paths)
    onnx.checker.check_model(model, full_check=True)
    assert [each.name for each in model.graph.output] == paths
    for found, node in zip(by_onnxruntime(model, {"images": given}), nodes, strict=True):
        close(found, expected[node])


def test_the_same_value_under_two_names() -> None:
    of, given = program("cmt_nano"), images(program("cmt_nano"))
    first, second = by_onnxruntime(to_onnx(of, outputs=["head", "head.fc"]), {"images": given})
    np.testing.assert_array_equal(first, second)


def test_names_are_paths() -> None:
    of = program("cmt_nano")
    model = to_onnx(of)
    constants = {each.name for each in model.graph.initializer}
    weights = {info.path for info in of.graph.params if "." in info.path and info.path.endswith("weight")}
    assert weights <= constants
    assert {"stages.0.blocks.0.attn.q", "stages.0.blocks.0.lpu.conv", "head.pool"} <= {
        node.name for node in model.graph.node
    }
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)


def test_attention_and_tokens_need_no_more_transposes_than_they_must() -> None:
    """To tokens for norm1 and for k and v; to a map for the reduction, the FFN and the last sum; q, k, v; the heads."""
    model = to_onnx(program("cmt_nano"), Form("openvino"))
    block = [n for n in model.graph.node if n.name.startswith("stages.1.blocks.1.")]
    kinds = Counter(node.op_type for node in block)
    assert kinds["Transpose"] == 9, [n.name for n in block if n.op_type == "Transpose"]
    assert kinds["LayerNormalization"] == 2
    assert kinds["MatMul"] == 6


def test_what_does_not_depend_on_the_image_is_a_constant() -> None:
    nodes = """scale: {op: parameter, shape: [3, 1, 8], init: normal}
soft: {op: softmax, in: scale}
gated: {op: mul, in: [x, soft]}"""
    graph = graph_of(nodes)
    weights = {info.path: np.full(info.shape, 2.0, np.float32) for info in graph.params}
    model = to_onnx(Program.of(graph, weights))
    assert [node.op_type for node in model.graph.node] == ["Mul"]
    given = np.ones((1, *graph.input.type.sizes), np.float32)
    close(by_onnxruntime(model, {"images": given})[0], run(graph, weights, given))


@pytest.mark.parametrize(
    "wrong",
    [
        {"opset": 16},
        {"opset": 24},
        {"flavour": "tensorrt"},
        {"batch": 0},
        {"flavour": "ascend"},
        {"flavour": "ascend", "batch": 1, "opset": 20},
    ],
)
def test_what_cannot_be_written_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(CmtError) as caught:
        Form(**wrong)
    assert caught.value.code == "CMT-309"
    assert caught.value.problems[0].hint
