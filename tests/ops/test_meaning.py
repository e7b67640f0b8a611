"""Every operator of the registry: samples, shapes, cost and the NumPy meaning agree with each other."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Op, Param, TensorType
from cmt_dsl.ir.op import Family
from cmt_dsl.ops import make, registry
from cmt_dsl.ops.gelu import Gelu
from tests.ops.single import Sample, samples

SAMPLES = samples()


@pytest.mark.parametrize("kind", registry())
def test_every_operator_has_samples(kind: str) -> None:
    given = registry()[kind].samples()
    assert given or kind == "input"
    assert all(op.kind == kind for op, _ in given)


@pytest.mark.parametrize("kind", registry())
def test_every_operator_is_frozen_documented_data(kind: str) -> None:
    op = registry()[kind]
    assert dataclasses.is_dataclass(op)
    assert op.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert op.__doc__
    assert not op.__doc__.startswith(f"{op.__name__}(")
    low, high = op.arity
    assert 0 <= low <= high


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_infer_equals_the_shape_that_numpy_gives(sample: Sample, batch: int) -> None:
    out = sample.op.infer(*sample.types)
    found = sample.numpy(sample.values(batch))
    assert found.shape == tuple(batch if d is None else d for d in out.shape)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_images_of_a_batch_do_not_meet(sample: Sample) -> None:
    values = sample.values(2)
    both = sample.numpy(values)
    for i in range(2):
        alone = {
            k: v[i : i + 1] if k in sample.inputs and sample.types[int(k[2:])].batched else v
            for k, v in values.items()
        }
        np.testing.assert_allclose(sample.numpy(alone)[0], both[i], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_samples_lie_within_the_arity(sample: Sample) -> None:
    low, high = sample.op.arity
    assert low <= len(sample.shapes) <= high


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_attributes_survive_being_read_again(sample: Sample) -> None:
    written = dataclasses.asdict(sample.op)  # type: ignore[call-overload]
    assert make(sample.op.kind, written) == sample.op
    with pytest.raises(ValidationError):
        make(sample.op.kind, {**written, "nonsense": 1})


@pytest.mark.parametrize("kind", ["conv2d", "linear", "matmul"])
def test_macs_are_the_multiplications_of_the_loops(kind: str) -> None:
    for sample in (s for s in SAMPLES if s.op.kind == kind):
        out = sample.op.infer(*sample.types)
        weights = {p.name: p.shape for p in sample.op.params(*sample.types)}
        per_output = math.prod(weights["weight"][1:]) if weights else inner(sample)
        assert sample.op.macs(out, *sample.types) == out.elements * per_output


def inner(sample: Sample) -> int:
    a = sample.types[0].sizes
    return a[1] if sample.op.transpose_a else a[2]  # type: ignore[attr-defined]


def test_only_these_operators_count_macs() -> None:
    counted = {s.op.kind for s in SAMPLES if s.op.macs(s.op.infer(*s.types), *s.types)}
    assert counted == {"conv2d", "linear", "matmul"}


CONVOLUTIONS = {
    "strided": {"kernel": 3, "padding": 1, "stride": 2, "groups": 2},
    "one row": {"kernel": [1, 7], "padding": [0, 3]},
    "uneven everywhere": {
        "kernel": [3, 2],
        "padding": [2, 1],
        "stride": [2, 1],
        "dilation": [1, 3],
        "groups": 3,
    },
    "depthwise column": {"out": 6, "kernel": [5, 1], "padding": [2, 0], "groups": 6},
    "depthwise dilated": {"out": 6, "kernel": [3, 2], "padding": [2, 1], "dilation": [2, 3], "groups": 6},
    "depthwise strided": {"out": 6, "kernel": 3, "padding": [1, 0], "stride": [1, 2], "groups": 6},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_by_hand(name: str) -> None:
    given = {"out": 12, "bias": True, "init": "zeros", **CONVOLUTIONS[name]}
    op = make("conv2d", given)
    height, width = 6, 8
    out = op.infer(TensorType((None, 6, height, width)))
    random = np.random.default_rng(0)
    groups, (kh, kw) = given.get("groups", 1), two(given["kernel"])
    (sh, sw), (ph, pw) = two(given.get("stride", 1)), two(given["padding"])
    dh, dw = two(given.get("dilation", 1))
    per, mine = 6 // groups, given["out"] // groups
    x = random.standard_normal((2, 6, height, width))
    w, b = random.standard_normal((given["out"], per, kh, kw)), random.standard_normal(given["out"])
    assert [p.shape for p in op.params(TensorType((None, 6, height, width)))] == [w.shape, b.shape]
    y = np.zeros((2, *out.sizes))
    for n, o, i, j, c, r, s in np.ndindex(*y.shape, per, kh, kw):
        row, column = i * sh + r * dh - ph, j * sw + s * dw - pw
        if 0 <= row < height and 0 <= column < width:
            y[n, o, i, j] += x[n, o // mine * per + c, row, column] * w[o, c, r, s]
    np.testing.assert_allclose(op.numpy({"weight": w, "bias": b}, x), y + b[:, None, None], atol=1e-12)


def two(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, list) else (value, value)  # type: ignore[return-value]


@pytest.mark.parametrize("count", [True, False])
def test_pools_by_hand(count: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    given = {"kernel": [3, 4], "stride": [2, 1], "padding": [1, 2]}
    found = {
        "max": make("max_pool", given).numpy({}, x),
        "mean": make("avg_pool", {**given, "count_padding": count}).numpy({}, x),
    }
    assert found["max"].shape == found["mean"].shape == (2, 3, 4, 9)
    for i, j in np.ndindex(4, 9):
        seen = x[:, :, max(2 * i - 1, 0) : 2 * i + 2, max(j - 2, 0) : j + 2]
        divisor = 12 if count else seen.shape[2] * seen.shape[3]
        np.testing.assert_allclose(found["max"][..., i, j], seen.max((2, 3)))
        np.testing.assert_allclose(found["mean"][..., i, j], seen.sum((2, 3)) / divisor, atol=1e-12)


def test_gelu_forms_differ_and_equal_their_formulas() -> None:
    x = np.linspace(-6, 6, 241)
    exact = np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x])
    approximate = np.array(
        [0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in x]
    )
    np.testing.assert_allclose(Gelu("erf").numpy({}, x), exact, atol=5e-7)
    np.testing.assert_allclose(Gelu("tanh").numpy({}, x), approximate, atol=1e-12)
    assert np.abs(exact - approximate).max() > 1e-4


@pytest.mark.parametrize(
    ("kind", "attributes", "shapes", "code", "culprit"),
    [
        ("conv2d", {"out": 4, "kernel": 3, "padding": 0, "groups": 5}, [(None, 6, 8, 8)], "CMT-201", "groups"),
        ("conv2d", {"out": 4, "kernel": 3, "padding": 0, "groups": 3}, [(None, 6, 8, 8)], "CMT-201", "out"),
        ("conv2d", {"out": 4, "kernel": 9, "padding": 0}, [(None, 6, 8, 8)], "CMT-202", "kernel"),
        ("conv2d", {"out": 4, "kernel": 2, "padding": 0, "stride": 2}, [(None, 6, 8, 7)], "CMT-202", "stride"),
        ("conv2d", {"out": 4, "kernel": 2, "padding": 0}, [(None, 6)], "CMT-204", ""),
        ("conv2d", {"out": 4, "kernel": 2, "padding": 0}, [(6, 8, 8)], "CMT-204", ""),
        ("conv2d", {"out": 4, "kernel": [1, 9], "padding": 0}, [(None, 6, 8, 8)], "CMT-202", "kernel"),
        ("conv2d", {"out": 4, "kernel": 3, "dilation": [1, 4], "padding": 0}, [(None, 6, 8, 8)], "CMT-202", "kernel"),
        ("conv2d", {"out": 4, "kernel": 2, "padding": [1, 0], "stride": 2}, [(None, 6, 8, 7)], "CMT-202", "stride"),
        ("conv2d", {"out": 4, "kernel": 2, "padding": 0, "stride": [1, 2]}, [(None, 6, 8, 7)], "CMT-202", "stride"),
        ("max_pool", {"kernel": [1, 3], "stride": 1, "padding": 1}, [(None, 6, 8, 7)], "CMT-202", "padding"),
        ("max_pool", {"kernel": [2, 3], "stride": [2, 3]}, [(None, 6, 4, 5)], "CMT-202", "stride"),
        ("avg_pool", {"kernel": 3, "stride": 1, "padding": 1}, [(None, 6, 8, 7)], "CMT-141", "padding"),
        ("avg_pool", {"kernel": 3, "stride": 1, "count_padding": True}, [(None, 6, 8, 7)], "CMT-141", "padding"),
        ("mean", {"over": "height"}, [(None, 6)], "CMT-204", "over"),
        ("max", {"over": "channels"}, [(6, 4, 5)], "CMT-204", "over"),
        ("softmax", {"over": "grid"}, [(None, 6)], "CMT-204", "over"),
        ("concat", {"over": "height"}, [(None, 2), (None, 3)], "CMT-204", "over"),
        ("concat", {"over": "width"}, [(None, 2, 3, 4), (None, 3, 3, 4)], "CMT-203", ""),
        ("transpose", {"axes": ["height", "width"]}, [(None, 6)], "CMT-204", ""),
        ("slice_grid", {"over": "height", "start": 2, "stop": 9}, [(None, 6, 4, 15)], "CMT-203", "stop"),
        ("global_max_pool", {}, [(None, 3)], "CMT-204", ""),
        ("div", {}, [(None, 6), (None, 3, 1, 6)], "CMT-203", ""),
        ("split_heads", {"heads": 4}, [(None, 6, 2, 2)], "CMT-201", "heads"),
        ("merge_heads", {"height": 2, "width": 2}, [(None, 6, 2, 5)], "CMT-203", "height"),
        ("avg_pool", {"kernel": 3, "stride": 1}, [(None, 6, 2, 2)], "CMT-202", "kernel"),
        ("max_pool", {"kernel": 2, "stride": 2}, [(None, 6, 4, 5)], "CMT-202", "stride"),
        ("slice_channels", {"start": 2, "stop": 9}, [(None, 6, 4, 5)], "CMT-203", "stop"),
        ("slice_channels", {"start": 2, "stop": 2}, [(None, 6)], "CMT-203", "stop"),
        ("add", {}, [(None, 2, 3, 4), (None, 3, 3, 4)], "CMT-203", ""),
        ("mul", {}, [(None, 6), (None, 3, 1, 6)], "CMT-203", ""),
        ("concat", {}, [(None, 2, 3, 4), (None, 2, 4, 3)], "CMT-203", ""),
        ("concat", {}, [(None, 2), (2,)], "CMT-204", ""),
        ("matmul", {}, [(None, 2, 3, 4), (None, 2, 3, 4)], "CMT-203", ""),
        ("matmul", {}, [(None, 2, 3, 4), (None, 1, 4, 3)], "CMT-203", ""),
        ("matmul", {}, [(None, 3), (None, 3)], "CMT-204", ""),
        ("linear", {"out": 3}, [(None, 2, 3)], "CMT-204", ""),
        ("layer_norm", {"eps": 1e-5}, [(3, 4)], "CMT-204", ""),
        ("global_avg_pool", {}, [(None, 3)], "CMT-204", ""),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(
    kind: str, attributes: dict[str, object], shapes: list[tuple[int | None, ...]], code: str, culprit: str
) -> None:
    missing = {"conv2d": {"bias": True, "init": "zeros"}, "linear": {"bias": True, "init": "zeros"}}
    op: Op = make(kind, {**missing.get(kind, {}), **attributes})
    with pytest.raises(ShapeError) as caught:
        op.infer(*map(TensorType, shapes))
    assert (caught.value.code, caught.value.attribute) == (code, culprit)


@pytest.mark.parametrize(
    ("kind", "attribute", "value", "words"),
    [
        ("conv2d", "kernel", [3], "a whole number or [height, width], not [3]"),
        ("conv2d", "kernel", [3, 3, 3], "a whole number or [height, width], not [3, 3, 3]"),
        ("conv2d", "kernel", [3, 0], "from 1 to 1,000,000, not [3, 0]"),
        ("conv2d", "kernel", [3, "x"], "a whole number or [height, width], not [3, 'x']"),
        ("conv2d", "kernel", 3.0, "a whole number or [height, width], not 3.0"),
        ("conv2d", "dilation", True, "a whole number or [height, width], not true"),
        ("conv2d", "padding", -1, "from 0 to 1,024, not -1"),
        ("parameter", "init", "one", "a number or one of zeros, ones, normal, trunc_normal_02, not 'one'"),
        ("parameter", "init", True, "a number or one of zeros, ones, normal, trunc_normal_02, not true"),
        ("transpose", "axes", ["height", "height"], "two of channels, height and width, not ['height', 'height']"),
        ("transpose", "axes", "height", "two of channels, height and width, not 'height'"),
    ],
)  # fmt: skip
def test_attributes_that_are_refused(kind: str, attribute: str, value: object, words: str) -> None:
    given: dict[str, dict[str, object]] = {
        "conv2d": {"out": 4, "kernel": 3, "padding": 1, "bias": True, "init": "zeros"},
        "parameter": {"shape": [3], "init": "zeros"},
        "transpose": {},
    }
    with pytest.raises(ValidationError) as caught:
        make(kind, {**given[kind], attribute: value})
    assert [str(e["msg"]) for e in caught.value.errors()] == [f"Value error, should be {words}"]


@pytest.mark.parametrize("kind", sorted(registry()))
def test_every_operator_says_what_it_is(kind: str) -> None:
    op = registry()[kind]
    assert op.family in get_args(Family)
    assert op.random == (op.family == "noise") and (op.passes_on or not op.training_only)
    assert set(op.mindspore_names) <= {
        p.name for sample in SAMPLES if sample.op.kind == kind for p in params(sample)
    }


def params(sample: Sample) -> tuple[Param, ...]:
    return sample.op.params(*(TensorType(shape) for shape in sample.shapes))


def test_two_operators_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from cmt_dsl.ops import relu

    class Twin(relu.Relu, kind="relu"):
        """Another one."""

    Twin.__module__ = relu.__name__
    monkeypatch.setattr(relu, "Twin", Twin, raising=False)
    registry.cache_clear()
    try:
        with pytest.raises(ValueError, match="two operators are called relu"):
            registry()
    finally:
        monkeypatch.undo()
        registry.cache_clear()
