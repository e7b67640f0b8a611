"""Names, starting values and strictness of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cmt_dsl import CmtError, Graph, build, load
from cmt_dsl.ir import require_fit
from cmt_dsl.lower.mindspore.names import canonical_names
from cmt_dsl.weights.initial import initial
from cmt_dsl.weights.names import foreign_names, name_map
from tests.tiny import MODELS, PROFILES


@pytest.fixture(scope="module")
def nano() -> Graph:
    return build(load("cmt_nano"))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", MODELS)
def test_names_are_complete_both_ways(model: str, profile: str) -> None:
    graph = build(load(model, set={"profile": profile}))
    names = canonical_names(graph)
    paths = [info.path for info in graph.params]
    assert sorted(names.values()) == sorted(paths)
    assert len(names) == len(paths)


def test_mindspore_says_gamma_and_moving_mean(nano: Graph) -> None:
    names = {path: name for name, path in canonical_names(nano).items()}
    assert names["stem.norm1.running_var"] == "stem.norm1.moving_variance"
    assert names["stages.0.blocks.0.norm1.weight"] == "stages.0.blocks.0.norm1.gamma"
    assert names["stages.0.blocks.0.attn.q.weight"] == "stages.0.blocks.0.attn.q.weight"
    assert names["stages.0.position"] == "stages.0.position"


def test_start_depends_on_seed_and_path_alone(nano: Graph) -> None:
    one, same, other = initial(nano, 1), initial(nano, 1), initial(nano, 2)
    deeper = initial(build(load("cmt_nano", set={"stages.0.depth": 3})), 1)
    for path, value in one.items():
        np.testing.assert_array_equal(value, same[path])
        np.testing.assert_array_equal(value, deeper[path])
        assert value.dtype == np.float32
    assert (one["stem.conv1.weight"] != other["stem.conv1.weight"]).any()
    assert (one["stem.conv2.weight"] != one["stem.conv3.weight"]).any()


def test_start_has_the_spread_it_should() -> None:
    start = initial(build(load("cmt_ti")), 0)
    assert start["stages.3.blocks.0.ffn.expand.weight"].std() == pytest.approx((2 / 1324) ** 0.5, rel=0.02)
    # torch.nn.init.kaiming_normal_ and MindSpore's HeNormal (both run) take 368 * 9 for [368, 1, 3, 3]: 0.0246
    assert start["stages.3.blocks.0.lpu.conv.weight"].std() == pytest.approx((2 / 3312) ** 0.5, rel=0.05)
    assert start["head.fc.weight"].std() == pytest.approx(0.02, rel=0.02)
    assert start["stages.0.position"].std() == pytest.approx(1, rel=0.02)
    assert not start["head.fc.bias"].any()


def broken(weights: dict[str, Any]) -> dict[str, dict[str, Any]]:
    first = "stem.conv1.weight"
    return {
        f"missing {first}": {k: v for k, v in weights.items() if k != first},
        "unexpected more.weight": {**weights, "more.weight": np.zeros(3, np.float32)},
        f"{first} has shape (3, 3)": {**weights, first: np.zeros((3, 3), np.float32)},
        "and 14 more": {k: v for k, v in weights.items() if not k.startswith("stem.")} | {"a.b": weights[first]},
    }  # fmt: skip


@pytest.mark.parametrize("what", ["missing stem.conv1.weight", "unexpected more.weight", "stem.conv1.weight has shape (3, 3)", "and 14 more"])  # fmt: skip
def test_weights_that_do_not_fit_are_named(nano: Graph, what: str) -> None:
    wrong = broken(initial(nano, 0))[what]
    with pytest.raises(CmtError) as caught:
        require_fit(nano, wrong)
    assert caught.value.code == "CMT-402"
    assert what in str(caught.value)


def test_the_numpy_reference_is_strict_too(nano: Graph) -> None:
    from cmt_dsl import run

    weights = initial(nano, 0)
    weights.pop("head.fc.bias")
    with pytest.raises(CmtError, match=r"head\.fc\.bias") as caught:
        run(nano, weights, np.zeros((1, 3, 32, 32), np.float32))
    assert caught.value.code == "CMT-402"


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 32, 3), (1, 3, 32, 16), (1, 1, 32, 32)])
def test_images_that_do_not_fit(nano: Graph, shape: tuple[int, ...]) -> None:
    from cmt_dsl import run

    with pytest.raises(CmtError) as caught:
        run(nano, initial(nano, 0), np.zeros(shape, np.float32))
    assert caught.value.code == "CMT-403"
    assert "[n, 3, 32, 32]" in str(caught.value)


def test_a_name_map_must_know_every_parameter() -> None:
    with pytest.raises(CmtError, match="no name") as caught:
        foreign_names(build(load("example_parallel")), "official")
    assert caught.value.code == "CMT-402"
    with pytest.raises(CmtError) as caught:
        name_map("oficial")
    assert (caught.value.code, caught.value.problems[0].hint) == ("CMT-101", "did you mean 'official'?")


def test_foreign_names_do_not_meet() -> None:
    for source, profile in (("official", "official"), ("mindcv", "mindcv")):
        names = foreign_names(build(load("cmt_b", set={"profile": profile})), source)
        assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("kind", ["i4", "?", "c8", "u1"])
def test_what_is_no_real_number_is_refused(nano: Graph, kind: str) -> None:
    weights = dict(initial(nano, 0))
    weights["stem.conv1.bias"] = weights["stem.conv1.bias"].astype(kind)
    with pytest.raises(CmtError, match=r"stem\.conv1\.bias has type"):
        require_fit(nano, weights)
