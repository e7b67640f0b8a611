"""Adapting weights: each rule by numbers, features of a smooth picture kept, and a head start that training shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cmt_dsl import Graph, build, features, load, load_text, pyramid, run
from cmt_dsl.errors import CmtError
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.change.adapt import adapt, grids, position_bias
from runtime.checkpoint.change.resample import bicubic
from runtime.checkpoint.convert import write_weights
from runtime.checkpoint.load import Imported, load_weights
from tests.cli.cmt import cmt
from tests.golden.recorded import Recorded
from tests.runtime.checkpoint.samples import SMALL


def nano(**sets: Any) -> Graph:
    return build(load("cmt_nano", set=sets))


@pytest.mark.parametrize(("size", "new"), [(5, 7), (10, 14), (7, 5), (16, 5), (4, 4), (1, 3), (3, 1)])
def test_interpolation_is_pillows(size: int, new: int) -> None:
    rows = np.random.default_rng(0).standard_normal((1, size)).astype(np.float32)
    expected = np.asarray(Image.fromarray(rows).resize((new, 1), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(rows @ bicubic(size, new).T, expected, atol=2e-6)


def test_grids_of_queries_and_keys_are_found_in_the_graph() -> None:
    graph = nano(**{"input.size": [64, 96]})
    assert grids(graph, "stages.0.position") == ((16, 24), (4, 6))
    assert grids(graph, "stages.2.position") == ((4, 6), (4, 6))
    paper = build(load("cmt_ti", set={"profile": "paper"}))
    assert grids(paper, "stages.1.blocks.0.attn.bias") == ((20, 20), (5, 5))
    assert grids(graph, "stem.conv1") is None


def smooth_bias(query: tuple[int, int], key: tuple[int, int]) -> np.ndarray:
    """A smooth function of the four coordinates, different in each, on cell centres."""
    y, x, v, u = np.meshgrid(*((np.arange(n) + 0.5) / n for n in (*query, *key)), indexing="ij")
    return (
        (np.sin(y) + 2 * np.cos(x) - 3 * v * y + u * u).reshape(1, query[0] * query[1], -1).astype(np.float32)
    )


@pytest.mark.parametrize(
    "after", [((14, 14), (7, 7)), ((16, 20), (8, 10)), ((6, 12), (3, 6)), ((10, 10), (5, 5))]
)
def test_a_smooth_bias_becomes_what_it_would_be_on_the_new_grids(after: Any) -> None:
    before = ((10, 10), (5, 5))
    found = position_bias(smooth_bias(*before), before, after)
    expected = smooth_bias(*after)
    inner = np.abs(found - expected).reshape(*after[0], *after[1])[1:-1, 1:-1, 1:-1, 1:-1]
    assert inner.max() < 0.1 and np.abs(found - expected).max() < 0.3
    swapped = expected.reshape(*after[0], -1).swapaxes(0, 1).reshape(expected.shape)
    assert np.abs(found - swapped).max() > 1  # rows taken for columns would be seen
    if after == before:
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("channels", "word"), [(1, "summed"), (6, "repeated"), (4, "mean"), (2, "mean")])
def test_channels_keep_the_answer_to_grey(channels: int, word: str) -> None:
    before, after = nano(), nano(**{"input.channels": channels})
    weights = initial(before, 0)
    adapted, notes = adapt(weights, before, after)
    grey = np.random.RandomState(0).randn(2, 1, 32, 32).astype(np.float32)
    first = run(before, weights, np.repeat(grey, 3, axis=1))
    np.testing.assert_allclose(run(after, adapted, np.repeat(grey, channels, axis=1)), first, atol=1e-4)
    assert len(notes) == 1 and word in notes[0]


def test_other_classes_start_anew_and_nothing_else_does() -> None:
    before, after = nano(), nano(classes=37)
    weights = initial(before, 0)
    adapted, notes = adapt(weights, before, after, seed=5)
    assert adapted["head.fc.weight"].shape == (37, 256)
    np.testing.assert_array_equal(adapted["head.fc.weight"], initial(after, 5)["head.fc.weight"])
    assert all(adapted[p] is v for p, v in weights.items() if not p.startswith("head.fc"))
    assert notes == ("head.fc: 10 → 37 classes, initialised anew",)


def test_depth_only_when_allowed() -> None:
    before, after = nano(), nano(**{"stages.1.depth": 4, "stages.2.depth": 1})
    weights = initial(before, 0)
    with pytest.raises(CmtError) as caught:
        adapt(weights, before, after)
    assert caught.value.code == "CMT-641" and "stages.1 has 2 blocks, the new model 4" in str(caught.value)
    adapted, notes = adapt(weights, before, after, allow_depth=True, seed=1)
    assert set(adapted) == {info.path for info in after.params}
    one = "stages.1.blocks.3.attn.q.weight"
    np.testing.assert_array_equal(adapted[one], initial(after, 1)[one])
    assert "drop path recomputed" in notes[-1] and len(notes) == 3


@pytest.mark.parametrize(
    "sets",
    [
        {"stem.args.width": 20},
        {"stage_defaults.args.expansion": 4},
        {"stages.0.args.heads": 2},
        {"profile": "mindcv"},
    ],
)
def test_other_differences_are_refused(sets: dict[str, Any]) -> None:
    before = nano()
    with pytest.raises(CmtError) as caught:
        adapt(initial(before, 0), before, build(load("cmt_nano", set=sets)))
    assert caught.value.code == "CMT-640"


def test_operators_that_compute_otherwise_are_told() -> None:
    before = load_text(SMALL)
    after = load_text(SMALL.replace("op: batch_norm", "op: batch_norm, eps: 0.5"))
    _, notes = adapt(initial(build(before), 0), build(before), build(after))
    assert notes == ("batch_norm eps: 1e-05 → 0.5 (1 ×)",)


def smooth_images(side: int) -> np.ndarray:
    """Two pictures of a few waves, the same at every resolution; [2, 3, side, side]."""
    random = np.random.RandomState(0)
    at = (np.arange(side) + 0.5) / side
    images = np.zeros((2, 3, side, side))
    for picture in images.reshape(6, side, side):
        for _ in range(4):
            u, v, phase, size = *random.randint(0, 2, 2), random.rand() * 6.28, random.randn()
            picture += size * np.cos(np.pi * (u * at[None, :] + v * at[:, None]) + phase)
    return (images / images.std()).astype(np.float32)


def test_cmt_ti_from_160_to_224_keeps_the_features_of_a_smooth_picture() -> None:
    """Relative L2 distance of each stage's map, resized to the old grid, to what it was; seen 0.09 0.11 0.32 0.29.

    The rest is what a 3×3 kernel sees at another scale and zero padding at the border. Two unrelated maps are
    about 1.4 apart; here the new map must be nearer than half of that, and much nearer in the early stages.
    """
    recorded = Recorded("official_cmt_ti")
    before, after = recorded.graph(), recorded.graph(**{"input.size": 224})
    weights = recorded.weights(before)
    adapted, notes = adapt(weights, before, after)
    assert len(notes) == 4 and all("interpolated" in note for note in notes)
    old = features(before, weights, smooth_images(160))
    new = features(after, adapted, smooth_images(224))
    fresh = features(after, initial(after, 0), smooth_images(224))
    for stage, bound in zip(pyramid(before), (0.12, 0.15, 0.40, 0.40), strict=True):
        assert distance(old[stage], new[stage]) < bound, stage
        assert distance(old[stage], fresh[stage]) > 0.9, stage


def distance(old: np.ndarray, new: np.ndarray) -> float:
    matrix = bicubic(new.shape[-1], old.shape[-1])
    resized = np.einsum("ah,bw,nchw->ncab", matrix, matrix, new)
    return float(np.linalg.norm(old - resized) / np.linalg.norm(old))


def test_the_command_rectangular_grey_and_37_classes(tmp_path: Path) -> None:
    graph = nano()
    source, out = tmp_path / "n.safetensors", tmp_path / "a.safetensors"
    write_weights(source, Imported(load("cmt_nano"), graph, initial(graph, 0), "test", (), {}), "native")
    done = cmt("adapt", source, "--size", "64x96", "--classes", 37, "--channels", 1, "-o", out)
    assert done.code == 0, done.err
    for word in ("16×24 on 4×6", "summed", "10 → 37 classes", "[n, 1, 64, 96]"):
        assert word in done.out
    back = load_weights(out)
    assert back.graph.input.type.sizes == (1, 64, 96) and back.model.classes == 37
    for args, code in (
        (["--size", "5x"], "--size"),
        (["--size", "50"], "CMT-202"),
        (["--set", "stages.1.depth=3"], "CMT-641"),
    ):
        done = cmt("adapt", source, *args, "-o", tmp_path / "none")
        assert done.code == 2 and code in done.err and not (tmp_path / "none").exists()


@pytest.mark.mindspore
def test_an_adapted_model_trains_on_ahead_of_a_fresh_one() -> None:
    """cmt_nano learns digits at 32 pixels; at 48, after equal steps, adapted weights are far ahead of fresh ones."""
    small, large = (
        nano(drop_path=0.0, **{"input.size": size, "head.args.dropout": 0.0}) for size in (32, 48)
    )
    _, learned = Training(small).run(initial(small, 0), steps=80)
    at_48 = Training(large)
    adapted, _ = adapt(learned, small, large)
    ahead, _ = at_48.run(adapted, steps=8)
    behind, _ = at_48.run(initial(large, 0), steps=8)

    assert ahead[0] < behind[0]  # before any step at the new size, where digits are half as large again
    assert np.mean(ahead[-4:]) < np.mean(behind[-4:]) - 0.5


class Training:
    """Adam on digits at a graph's size, from any weights: one compiled step."""

    def __init__(self, graph: Graph) -> None:
        import mindspore as ms
        from mindspore import nn

        from cmt_dsl import to_cell

        ms.set_context(mode=ms.GRAPH_MODE)
        self.graph, self.cell = graph, to_cell(graph)
        self.adam = nn.Adam(self.cell.trainable_params(), 2e-3)
        self.start = {name: p.asnumpy().copy() for name, p in self.adam.parameters_dict().items()}
        loss = nn.WithLossCell(self.cell, nn.CrossEntropyLoss())
        self.step = nn.TrainOneStepCell(loss, self.adam).set_train()

    def run(self, weights: dict[str, np.ndarray], steps: int) -> tuple[list[float], dict[str, np.ndarray]]:
        """Losses of the steps, and the weights after them."""
        import mindspore as ms

        from cmt_dsl.lower.mindspore.cell import read, write
        from runtime.data.source import View
        from runtime.data.stores.digits import Digits
        from runtime.recipe.read import load_recipe

        for name, parameter in self.adam.parameters_dict().items():
            parameter.set_data(ms.Tensor(self.start[name]))
        write(self.cell, self.graph, weights)
        side = self.graph.input.type.sizes[-1]
        assert side is not None
        source = Digits(View(3, side, side, 1.0), load_recipe("digits").augment)
        batches = (part for epoch in range(99) for part in source.train(32, 0, epoch))
        losses: list[float] = []
        for _, part in zip(range(steps), batches, strict=False):
            losses.append(float(self.step(ms.Tensor(part.images), ms.Tensor(part.labels)).asnumpy()))
        return losses, read(self.cell, self.graph)
