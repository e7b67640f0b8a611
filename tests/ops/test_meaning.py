"""Every operator of the registry: samples, shapes, cost and the NumPy meaning agree with each other."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from pydantic import ValidationError

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Op, TensorType
from cmt_dsl.ops import make, registry
from cmt_dsl.ops.gelu import Gelu
from tests.ops.single import NO_SAMPLES, Sample, samples

SAMPLES = samples()


@pytest.mark.parametrize("kind", registry())
def test_every_operator_has_samples(kind: str) -> None:
    if kind in NO_SAMPLES:
        assert not hasattr(registry()[kind], "samples")
    else:
        assert any(sample.op.kind == kind for sample in SAMPLES)


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


def test_convolution_by_hand() -> None:
    op = make(
        "conv2d",
        {"out": 4, "kernel": 3, "padding": 1, "bias": True, "init": "zeros", "stride": 2, "groups": 2},
    )
    random = np.random.default_rng(0)
    x, w, b = (
        random.standard_normal((2, 6, 5, 7)),
        random.standard_normal((4, 3, 3, 3)),
        random.standard_normal(4),
    )
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((2, 4, 3, 4))
    for n, o, i, j in np.ndindex(*y.shape):
        group = slice(3 * (o // 2), 3 * (o // 2) + 3)
        y[n, o, i, j] = (padded[n, group, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * w[o]).sum() + b[o]
    np.testing.assert_allclose(op.numpy({"weight": w, "bias": b}, x), y, atol=1e-12)


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
