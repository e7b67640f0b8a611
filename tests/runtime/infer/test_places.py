"""The backends of exported forms: the numbers of the reference, places, precisions, what they cannot do said in one line."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.lower.numpy import run_all
from cmt_dsl.weights.initial import initial
from runtime.device.isa import LIMITS, whole_instruction_set
from runtime.infer.backend import backend, loaded
from runtime.infer.backends import onnxruntime as ort
from runtime.infer.backends import openvino as ov
from tests.tiny import ATOM

NAMES = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def program() -> Program:
    graph = build(load(ATOM))
    return Program.of(graph, initial(graph, 3))


def images(program: Program, count: int) -> np.ndarray:
    shape = (count, *program.graph.input.type.sizes)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [None, 4])
def test_logits_for_any_number_of_images(program: Program, name: str, batch: int | None) -> None:
    compute = loaded(backend(name), program, threads=1, batch=batch)
    for count in (4, 1, 3, 5, 4):
        given = images(program, count)
        (found,) = compute(given)
        expected = run_all(program.graph, program.weights, given, [program.graph.output.path])
        np.testing.assert_allclose(found, expected[program.graph.output.path], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_values_inside_are_those_of_the_reference_whatever_is_folded(program: Program, name: str) -> None:
    graph = program.graph
    paths = [node.path for node in graph.nodes if node.type.batched]
    given = images(program, 2)
    expected = run_all(graph, program.weights, given, paths)
    for path in paths:  # each alone: all but what leads to it may be folded
        (found,) = loaded(backend(name), program, [path], threads=1, batch=2)(given)
        np.testing.assert_allclose(found, expected[path], rtol=1e-3, atol=1e-4, err_msg=path)
    found = loaded(backend(name), program, paths, threads=1, batch=2)(given)
    for path, value in zip(paths, found, strict=True):
        np.testing.assert_allclose(value, expected[path], rtol=1e-3, atol=1e-4, err_msg=path)


@pytest.mark.parametrize("name", NAMES)
def test_a_place_is_chosen_or_what_there_is_is_said(program: Program, name: str) -> None:
    chosen = backend(f"{name}:cpu")
    assert chosen.place == "cpu"
    assert "cpu" in chosen.places()
    loaded(chosen, program, threads=1, batch=1)
    assert chosen.device() == "CPU"
    with pytest.raises(CmtError) as caught:
        backend(f"{name}:cann9")
    assert caught.value.code == "CMT-866"
    assert f"--backend {name}:cpu" in caught.value.problems[0].hint
    with pytest.raises(CmtError, match="numpy has no places"):
        backend("numpy:cpu")


@pytest.mark.parametrize(
    ("count", "threads", "parts"),
    [(8, 2, 2), (1, 2, 1), (3, 2, 1), (9, 2, 2), (5, 2, 1), (16, 1, 1), (17, 2, 2)],
)
def test_images_are_shared_out_where_hardly_any_is_computed_in_vain(
    monkeypatch: pytest.MonkeyPatch, count: int, threads: int, parts: int
) -> None:
    monkeypatch.setattr(ov.os, "sched_getaffinity", lambda _: set(range(64)))
    found = ov.shares(count, threads)
    assert found == parts


@pytest.mark.parametrize("batch", [4, 5])
def test_shared_out_or_not_the_values_are_the_same(program: Program, batch: int) -> None:
    given = images(program, batch)
    (alone,) = loaded(backend("openvino"), program, threads=1, batch=batch)(given)
    (shared,) = loaded(backend("openvino"), program, threads=2, batch=batch)(given)
    (rest,) = loaded(backend("openvino"), program, threads=2, batch=batch)(given[:3])
    np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(rest, alone[:3], rtol=1e-5, atol=1e-6)


def test_onnxruntime_says_which_precision_it_lacks(program: Program) -> None:
    with pytest.raises(CmtError) as caught:
        loaded(backend("onnxruntime"), program, precision="bfloat16")
    assert caught.value.code == "CMT-804"


def test_openvino_computes_in_what_the_processor_can(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = images(program, 2)
    (exact,) = loaded(backend("openvino"), program, threads=1, batch=2)(given)
    real = ov.core()
    if "BF16" in real.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        (near,) = loaded(backend("openvino"), program, precision="bfloat16", threads=1, batch=2)(given)
        assert 0 < np.abs(near - exact).max() < 0.05 * np.abs(exact).max()
    monkeypatch.setattr(ov, "core", lambda: SimpleNamespace(get_property=lambda *_: ["FP32"]))
    with pytest.raises(CmtError, match="does not compute in bfloat16") as caught:
        loaded(backend("openvino"), program, precision="bfloat16")
    assert caught.value.problems[0].hint == "--precision float32"


def test_a_provider_that_is_left_silently_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    fake: Any = SimpleNamespace(
        SessionOptions=SimpleNamespace, InferenceSession=lambda *_, **__: Session(), capi=None
    )
    import onnxruntime.capi.onnxruntime_pybind11_state  # noqa: F401

    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    with pytest.raises(CmtError) as caught:
        ort.opened(b"", "cuda")
    assert caught.value.code == "CMT-866"


def test_what_a_runtime_raises_is_one_line(program: Program) -> None:
    with pytest.raises(CmtError) as caught:
        ort.opened(b"no model")
    assert caught.value.code == "CMT-867"
    compute = loaded(backend("openvino"), program, threads=1)
    with pytest.raises(CmtError) as caught:
        compute(np.zeros((1, 7, 5, 5), np.float32))
    assert caught.value.code == "CMT-867"
    assert "\n" not in caught.value.problems[0].message


def test_the_limit_for_mindspore_is_lifted_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv(LIMITS[0], "AVX2")
    monkeypatch.delenv(LIMITS[1], raising=False)
    with whole_instruction_set():
        assert not any(name in os.environ for name in LIMITS)
    assert os.environ[LIMITS[0]] == "AVX2"
    assert LIMITS[1] not in os.environ
