"""Starting from other weights: adapted as `cmt adapt` does it and told, or refused; no framework needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl import Graph, build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.change.adapt import adapt
from runtime.checkpoint.convert import write_weights
from runtime.checkpoint.file import Checkpoint, load_checkpoint, save_checkpoint
from runtime.checkpoint.load import Imported
from runtime.recipe.read import load_recipe
from runtime.train.start import Start, starting_point
from tests.runtime.train.small import SETS


def graph_with(**sets: Any) -> Graph:
    return build(load("cmt_nano", set={**SETS, **sets}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint of a small CMT for ten classes; its averaged weights are the raw ones plus one."""
    spec = load("cmt_nano", set=SETS)
    graph = build(spec)
    arrays = initial(graph, 5)
    save_checkpoint(
        tmp_path / "c.safetensors",
        Checkpoint(
            arrays=arrays,
            ema={path: value + 1 for path, value in arrays.items()},
            spec_text=spec.resolved(),
            fingerprint=graph.fingerprint,
            classes=tuple("abcdefghij"),
            recipe=load_recipe("digits").resolved(),
            metrics={},
            epoch=3,
            step=9,
            source="digits",
        ),
    )
    return tmp_path / "c.safetensors"


def started(file: Path, graph: Graph, *sets: str) -> Start:
    return starting_point(load_recipe("digits", overrides=(f"train.init={file}", *sets)), graph)


def test_the_same_model_starts_from_exactly_these_weights(file: Path) -> None:
    start = started(file, graph_with())
    assert start.arrays is not None and start.says == (
        f"starting from the raw weights of {file} (cmt_nano, epoch 3)",
        "took 'raw'; the file also holds ema",
    )
    for path, value in initial(graph_with(), 5).items():
        np.testing.assert_array_equal(start.arrays[path], value)
    averaged = started(file, graph_with(), "train.init_weights=ema").arrays
    assert averaged is not None and (averaged["head.fc.bias"] == start.arrays["head.fc.bias"] + 1).all()
    assert starting_point(load_recipe("digits"), graph_with()) == Start()


def test_a_classifier_for_other_classes_starts_anew_and_is_named(file: Path) -> None:
    graph = graph_with(classes=3)
    start = started(file, graph, "train.seed=8")
    assert start.arrays is not None
    assert start.says[2:] == ("head.fc: 10 → 3 classes, initialised anew",)
    for path, value in start.arrays.items():
        seed = 8 if path.startswith("head.fc.") else 5
        np.testing.assert_array_equal(value, initial(graph, seed)[path])


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ({"stages.0.depth": 3}, "stages.0 has 2 blocks, the new model 3"),
        ({"stages.0.depth": 1}, "stages.0 has 2 blocks, the new model 1"),
        ({"head.args.width": 24}, "head.conv.weight has shape (16, 16, 1, 1), not (24, 16, 1, 1)"),
        ({"stem.args.width": 16}, "stem.conv1.weight has shape"),
    ],
)
def test_any_other_difference_is_refused_by_path(file: Path, sets: dict[str, Any], says: str) -> None:
    with pytest.raises(CmtError) as found:
        started(file, graph_with(**sets))
    [problem] = found.value.problems
    assert problem.code == "CMT-805" and says in problem.message and problem.path == "train.init"


def test_size_channels_and_depth_when_asked_are_adapted_as_by_the_verb(file: Path) -> None:
    graph = graph_with(**{"input.size": [32, 16], "input.channels": 1, "stages.0.depth": 3})
    start = started(file, graph, "train.init_depth=true", "train.seed=8")
    said = "; ".join(start.says)
    for words in (
        "stages.0: 2 → 3 blocks",
        "3 → 1 input channels, summed",
        "stages.1.position: interpolated",
    ):
        assert words in said
    before = graph_with()
    expected, notes = adapt(initial(before, 5), before, graph, allow_depth=True, seed=8)
    assert start.arrays is not None and start.says[2:] == notes
    for path, value in expected.items():
        np.testing.assert_array_equal(start.arrays[path], value)


def test_a_converted_file_and_an_official_one_will_do(tmp_path: Path) -> None:
    """A run starts from weights of the official code, native or as they are; nothing of a run is needed in them."""
    model = load("cmt_nano")
    graph = build(model)
    arrays = initial(graph, 5)
    weights = Imported(model, graph, arrays, "test", (), {})
    after = build(load("cmt_nano", set={"classes": 3, "input.size": 64}))
    for name, to in (("w.safetensors", "native"), ("w.pth", "official")):
        write_weights(tmp_path / name, weights, to)
        start = started(tmp_path / name, after)
        assert start.arrays is not None and {p.path for p in after.params} == start.arrays.keys()
        np.testing.assert_array_equal(start.arrays["stem.conv1.weight"], arrays["stem.conv1.weight"])
        assert start.says[0] == f"starting from the raw weights of {tmp_path / name} (cmt_nano)"


def test_a_missing_file_and_missing_averages_are_errors(file: Path) -> None:
    with pytest.raises(CmtError) as found:
        started(file.with_name("none.safetensors"), graph_with())
    assert found.value.code == "CMT-601"
    save_checkpoint(file, checkpoint := Checkpoint(**{**vars(load_checkpoint(file)), "ema": None}))
    assert load_checkpoint(file).ema is None
    with pytest.raises(CmtError) as found:
        started(file, graph_with(), "train.init_weights=ema")
    assert found.value.code == "CMT-806"
    assert checkpoint.weights("raw") is checkpoint.arrays
