"""What is written in int8: which nodes read it, with which steps, for which runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from cmt_dsl.errors import CmtError
from runtime.checkpoint.load import Imported
from runtime.data.source import Source
from runtime.deploy.quantise import quantise as rooms
from runtime.deploy.quantise.accuracy import accuracy, limited
from runtime.deploy.quantise.nodes import Quantisable, quantisable
from runtime.deploy.quantise.qdq import weight_scales
from runtime.deploy.quantise.quantise import For, Quantiser, bits_here, opened, quantised
from runtime.deploy.quantise.ranges import METHODS, ranges

RUNTIMES: tuple[For, ...] = ("ort", "openvino")


@pytest.fixture(scope="module")
def images(source: Source) -> np.ndarray:
    return np.concatenate(list(source.train_as_val(np.arange(24))))


def int8_readers(model: Any) -> set[str]:
    """Names of nodes whose first input is dequantised."""
    given = {name: node for node in model.graph.node for name in node.output}
    read = [(node, given.get(node.input[0])) for node in model.graph.node]
    products = ("Conv", "MatMul", "Gemm")
    return {
        node.name
        for node, by in read
        if node.op_type in products and by is not None and by.op_type == "DequantizeLinear"
    }


@pytest.mark.parametrize("for_", RUNTIMES)
def test_products_with_weights_are_int8_and_the_delicate_are_not(
    found: Imported, images: np.ndarray, for_: For
) -> None:
    model = quantised(found.program, images, for_=for_)
    onnx.checker.check_model(model, full_check=True)
    every = quantisable(Quantiser(found.program, images, for_).floats())
    kinds = {each.kind for each in every}
    assert kinds >= {"first", "convolution", "depthwise", "pointwise", "linear", "product", "classifier"}
    taken = int8_readers(model)
    quiet = {each.name for each in every if each.kind in ("first", "product", "classifier")}
    assert not taken & quiet


@pytest.mark.parametrize("for_", RUNTIMES)
def test_what_is_kept_is_float_in_the_file(found: Imported, images: np.ndarray, for_: For) -> None:
    whole = int8_readers(quantised(found.program, images, for_=for_, keep=["*.expand"]))
    names = {each.name for each in quantisable(quantised(found.program, images, for_=for_))}
    assert whole and not [name for name in whole if name.endswith(".expand")]
    less = quantised(found.program, images, for_=for_, keep=["stem", "depthwise"])
    constants = {t.name: t for t in less.graph.initializer}
    for name in ("stem.conv2", "stages.0.blocks.0.lpu.conv"):
        assert constants[f"{name}.weight"].data_type == onnx.TensorProto.FLOAT, names
    assert constants["stages.0.blocks.0.ffn.expand.weight/q"].data_type == onnx.TensorProto.INT8


def test_what_is_delicate_can_be_asked_for(found: Imported, images: np.ndarray) -> None:
    model = quantised(found.program, images, for_="ort", quantise=["classifier", "product"])
    every = quantisable(Quantiser(found.program, images, "ort").floats())
    asked = {each.name for each in every if each.kind in ("classifier", "product")}
    assert asked <= int8_readers(model) and "stem.conv1" not in int8_readers(model)


def test_weights_are_symmetric_per_output_channel(found: Imported, images: np.ndarray) -> None:
    made = Quantiser(found.program, images, "openvino")
    model, floats = made.model(), made.floats()
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    true = {t.name: numpy_helper.to_array(t) for t in floats.graph.initializer}
    for each in made.nodes():
        if each.weight is None:
            continue
        whole, scales = stored[f"{each.weight}/q"], stored[f"{each.weight}/scale"]
        assert scales.shape == (true[each.weight].shape[each.axis],)
        shape = [-1 if a == each.axis else 1 for a in range(whole.ndim)]
        steps = scales.reshape(shape)
        assert np.abs(whole * steps - true[each.weight]).max() <= 0.501 * steps.max()
        assert not stored[f"{each.weight}/zero"].any() and whole.min() >= -127


def test_seven_bits_leave_room_for_a_sum_of_two(found: Imported, images: np.ndarray) -> None:
    model = Quantiser(found.program, images, "ort", rooms.How(weight_bits=7)).model()
    wholes = [numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("weight/q")]
    assert max(int(np.abs(whole).max()) for whole in wholes) == 63


@pytest.mark.parametrize(
    ("text", "bits"), [("flags\t: avx2 avx512f", 7), ("flags\t: avx2 avx_vnni", 8), ("Features: asimd", 8)]
)
def test_bits_are_what_the_processor_says(text: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms.sys, "platform", "linux")
    monkeypatch.setattr(rooms.Path, "is_file", lambda self: True)
    monkeypatch.setattr(rooms.Path, "read_text", lambda self: f"processor: 0\n{text}\n")
    assert bits_here() == bits


@pytest.mark.parametrize("for_", RUNTIMES)
def test_accuracy_is_almost_that_of_float(
    found: Imported, source: Source, images: np.ndarray, for_: For
) -> None:
    few = limited(source, 120)
    made = Quantiser(found.program, images, for_)
    before, after = (accuracy(opened(m, for_, 16), few) for m in (made.floats(), made.model()))
    assert before.images == after.images == few.val_size == 120
    assert before.top1 > 0.7 and abs(before.top1 - after.top1) < 0.05


def test_both_runtimes_compute_the_same_int8(found: Imported, images: np.ndarray) -> None:
    """OpenVINO fuses what ONNX Runtime computes step by step: it differs by single roundings."""
    model = Quantiser(found.program, images, "openvino").model()
    theirs = [opened(model, for_, 24)(images)[0] for for_ in RUNTIMES]
    assert np.abs(theirs[0] - theirs[1]).max() < 0.1 * np.abs(theirs[0]).max()


def test_patterns_that_mean_nothing(found: Imported, images: np.ndarray) -> None:
    with pytest.raises(CmtError, match=r"--keep layer9 .*CMT-856") as said:
        quantised(found.program, images, for_="ort", keep=["layer9"])
    assert "depthwise" in str(said.value) and "stages.0" in str(said.value)
    with pytest.raises(CmtError, match=r"nothing is left .*CMT-856"):
        quantised(found.program, images, for_="ort", keep=["*"])


def test_a_pattern_means_a_kind_a_stage_or_names() -> None:
    one = Quantisable("stages.1.blocks.0.ffn.expand", "pointwise", "stages.1", ("x",), "w", 0, "y")
    assert all(map(one.called, ("pointwise", "stages.1", "stages.?.*.expand", one.name)))
    assert not any(map(one.called, ("linear", "stages", "expand", "stages.1.blocks.0")))


def test_scales_of_a_channel_without_weights() -> None:
    scales = weight_scales(np.array([[0.0, 0.0], [1.27, -0.5]], np.float32), 0, 8)
    assert scales[0] > 0 and scales[1] == pytest.approx(0.01)


@pytest.mark.parametrize("method", METHODS)
def test_ranges(method: str) -> None:
    """Of a bell with one value far outside: minmax takes it, the others do not."""
    values = np.random.default_rng(0).standard_normal((4, 20000)).astype(np.float32)
    values[0, 0] = 40
    low, high = ranges(lambda part: [part], ["x"], values, 2, method)["x"]  # type: ignore[arg-type]
    if method == "minmax":
        assert (low, high) == (values.min(), 40)
    else:
        assert low < -2 and 2 < high < 30


@pytest.mark.parametrize("method", METHODS)
def test_ranges_of_a_constant(method: str) -> None:
    values = np.full((2, 9), 3.0, np.float32)
    low, high = ranges(lambda part: [part], ["x"], values, 1, method)["x"]  # type: ignore[arg-type]
    assert low <= 3.0 <= high + 1e-5
