"""What needs MindSpore: the optimiser against NumPy, the step Cells, image folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError

pytestmark = pytest.mark.mindspore


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_adamw_is_adamw(mode: str) -> None:
    import mindspore as ms

    from runtime.device.environment import set_device
    from runtime.recipe.schema import DeviceGroup
    from runtime.training.optim import AdamW

    set_device(DeviceGroup(mode=mode))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    shapes, decayed = [(3, 4), (5,), (2, 3, 3, 3), (1,)], [True, False, True, False]
    start = [rng.normal(size=s).astype(np.float32) for s in shapes]
    weights = [ms.Parameter(ms.Tensor(a.copy()), name=f"p{i}") for i, a in enumerate(start)]
    optimizer = AdamW(weights, decayed, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.05)
    w, m, v = ([a.astype(np.float64) * k for a in start] for k in (1, 0, 0))
    for t in range(1, 6):
        lr, gradients = 1e-2 * t, [rng.normal(size=s).astype(np.float32) for s in shapes]
        optimizer(tuple(ms.Tensor(g) for g in gradients), ms.Tensor(lr, ms.float32))
        for i, g in enumerate(gradients):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g.astype(np.float64) ** 2
            step = m[i] / (1 - 0.9**t) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
            w[i] -= lr * (step + 0.05 * decayed[i] * w[i])
    for parameter, expected in zip(weights, w, strict=True):
        np.testing.assert_allclose(parameter.asnumpy(), expected, rtol=0, atol=1e-6)
    assert int(optimizer.steps.asnumpy()) == 5


def _stepped(clip: float | None, scale: Any, images: np.ndarray) -> tuple[np.ndarray, float, bool, Any]:
    """Weights of a small Dense model after one step, its loss, whether the step counted, and the step Cell."""
    import mindspore as ms
    from mindspore import nn

    from runtime.data.mixing import soft_targets
    from runtime.device.environment import set_device
    from runtime.recipe.schema import DeviceGroup
    from runtime.training.optim import AdamW
    from runtime.training.step import ScaledTrainStep, TrainStep

    set_device(DeviceGroup(mode="graph"))
    net = nn.Dense(
        4, 3, weight_init=ms.Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)), bias_init="zeros"
    )
    optimizer = AdamW(
        net.trainable_params(), [True, False], beta1=0.9, beta2=0.999, eps=1e-1, weight_decay=0.0
    )
    step = TrainStep(net, optimizer, clip) if scale is None else ScaledTrainStep(net, optimizer, clip, scale)
    targets = soft_targets(np.array([0, 1, 2, 1]), 3, 0.1)
    loss, applied = step.set_train()(ms.Tensor(images), ms.Tensor(targets), ms.Tensor(0.1, ms.float32))
    return np.array(net.weight.asnumpy()), float(loss.asnumpy()), bool(applied.asnumpy()), step


def test_loss_scale_changes_nothing_but_skips_overflow() -> None:
    from runtime.recipe.schema import LossScale

    images = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    plain, loss, _, _ = _stepped(None, None, images)
    scaled, loss_scaled, applied, step = _stepped(None, LossScale(initial=1024, window=1), images)
    np.testing.assert_allclose(scaled, plain, atol=1e-6)
    assert applied and loss_scaled == pytest.approx(loss, abs=1e-6)
    assert float(step.scale.asnumpy()) == 2048  # window of one step: it doubles

    images[0, 0] = np.inf
    kept, _, applied, step = _stepped(None, LossScale(initial=1024, window=1), images)
    np.testing.assert_array_equal(kept, np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    assert not applied and float(step.scale.asnumpy()) == 512 and int(step.optimizer.steps.asnumpy()) == 0


def test_clipping_shortens_the_first_moment() -> None:
    from runtime.recipe.schema import LossScale

    images = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)

    def norm(clip: float | None, scale: Any) -> float:
        moments = _stepped(clip, scale, images)[3].optimizer.m
        return float(np.sqrt(sum((m.asnumpy() ** 2).sum() for m in moments))) / 0.1

    assert norm(None, None) > 0.2
    assert norm(0.01, None) == pytest.approx(0.01, rel=1e-3)
    assert norm(0.01, LossScale(initial=4096, window=9)) == pytest.approx(0.01, rel=1e-3)
    assert norm(1e6, None) == pytest.approx(norm(None, None), rel=1e-5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from PIL import Image as image

    rng = np.random.default_rng(0)
    kinds = {
        "a.jpg": "RGB",
        "b.JPEG": "L",
        "c.png": "RGBA",
        "d.webp": "RGB",
        "e.bmp": "RGB",
        "f.jpg": "CMYK",
        "g.png": "P",
    }
    for split in ("train", "val"):
        for name in ("zebra", "ant"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "notes.txt").write_text("no image")
            (tmp_path / split / name / ".hidden.jpg").write_text("no image")
            for file, mode in kinds.items():
                pixels = image.fromarray(rng.integers(0, 255, (37, 53, 3), dtype=np.uint8))
                pixels.convert(mode).save(tmp_path / split / name / file)
    return tmp_path


def _open(root: Path, channels: int = 3) -> Any:
    from runtime.data.source import View, open_source
    from runtime.recipe.schema import AugmentGroup, Crop

    augment = AugmentGroup(crop=Crop(scale=[0.08, 1.0], ratio=[0.75, 1.33]), flip=0.5)
    return open_source(str(root), View(channels, 32, 32, 0.875), augment=augment)


def test_folder_shows_every_kind_of_image_exactly_once(folder: Path) -> None:
    source = _open(folder)
    assert source.classes == ("ant", "zebra") and (source.train_size, source.val_size) == (14, 14)
    val = list(source.val(4))
    assert [b.count for b in val] == [4, 4, 4, 2] and {b.images.shape for b in val} == {(4, 3, 32, 32)}
    assert np.concatenate([b.labels[: b.count] for b in val]).tolist() == [0] * 7 + [1] * 7
    one, again, other = (list(source.train(4, 0, e)) for e in (1, 1, 2))
    assert len(one) == 3 and all((a.images == b.images).all() for a, b in zip(one, again, strict=True))
    assert not (one[0].images == other[0].images).all()


def test_folder_as_grey(folder: Path) -> None:
    assert next(_open(folder, channels=1).val(4)).images.shape == (4, 1, 32, 32)
    with pytest.raises(CmtError, match="reads 4 channels"):
        _open(folder, channels=4)


@pytest.mark.parametrize(
    ("keep", "name"), [(0.3, "a.jpg"), (0.9, "a.jpg"), (0.0, "b.JPEG"), (0.5, "c.png"), (0.5, "d.webp")]
)
def test_a_damaged_image_is_named(
    folder: Path, keep: float, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for split in ("train", "val"):
        bad = folder / split / "ant" / name
        bad.write_bytes(bad.read_bytes()[: int(bad.stat().st_size * keep)])
    source = _open(folder)
    for batches in (source.train(7, 0, 1), source.val(4)):
        with pytest.raises(CmtError, match=f"ant/{name}") as found:
            list(batches)
        assert found.value.code == "CMT-503"
    assert sorted(p.name for p in folder.iterdir()) == ["train", "val"]  # no droppings


def test_a_damaged_layout_is_named(folder: Path) -> None:
    def wrong(match: str, code: str) -> None:
        with pytest.raises(CmtError, match=match) as found:
            _open(folder)
        assert found.value.code == code

    (folder / "val" / "newt").mkdir()
    wrong("newt holds no image", "CMT-501")
    shutil.copy(folder / "val" / "ant" / "a.jpg", folder / "val" / "newt")
    wrong("in val/ but not in train/: newt", "CMT-502")
    shutil.rmtree(folder / "val")
    wrong("there is no folder .*val", "CMT-501")
    shutil.rmtree(folder)
    wrong("there is no folder", "CMT-501")


def test_a_run_that_fails_says_so_in_its_summary(tmp_path: Path) -> None:
    import json

    from rich.console import Console

    from cmt_dsl import load
    from runtime.data.source import View, open_source
    from runtime.recipe.read import load_recipe
    from runtime.run.directory import open_run
    from runtime.training.job import Job
    from runtime.training.loop import train

    sets = ("train.epochs=1", "train.log_every=2", "schedule.warmup_epochs=0", "schedule.lr=1e30")
    plan = load_recipe("digits", overrides=(*sets, "device.mode=pynative"))
    spec = load("cmt_nano", set={"stages.0.depth": 1, "stages.1.depth": 1})
    source = open_source("digits", View.of(spec), augment=plan.augment)
    out = open_run(tmp_path / "r", overwrite=False)
    with pytest.raises(CmtError) as found:
        train(Job(spec, plan, source, out, Console(quiet=True)))
    assert found.value.code == "CMT-702"
    told = json.loads((out / "summary.json").read_text())
    assert (told["state"], told["epochs_done"], told["best_top1"]) == ("failed", 0, None)
