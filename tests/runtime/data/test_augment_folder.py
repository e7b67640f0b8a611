"""The augmented image-folder pipeline, and a whole augmented run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.data.open import open_source
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup, Crop, Erase, Jitter, Mix, RandAugment
from runtime.recipe.schema import DataGroup
from tests.tiny import ATOM, ROOT

RANDOM = RandAugment(ops=2, prob=0.5, magnitude=9, std=0.5, increasing=True)
ERASE = Erase(prob=0.25, area=[0.02, 1 / 3], aspect=[0.3, 10 / 3])
STILL: dict[str, Any] = {"crop": None, "flip": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 training and 8 held-out pictures of two classes, smooth enough for JPEG."""
    from PIL import Image as image

    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 4)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                small = image.fromarray(rng.integers(0, 255, (3, 4, 3), dtype=np.uint8))
                small.resize((60, 45)).save(root / split / name / f"{i:02d}.jpg", quality=95)
    return root


def opened(root: Path, workers: int | None = None, **augment: Any) -> Any:
    view, group = View(3, 32, 32, 0.875), DataGroup(workers=workers)
    return open_source(str(root), view, augment=AugmentGroup(**{**STILL, **augment}), group=group)


def images(source: Any, seed: int = 0, epoch: int = 1, batch: int = 16) -> np.ndarray:
    return np.concatenate([b.images for b in source.train(batch, seed, epoch)])


def test_randaugment_and_erasing_change_what_they_should(folder: Path) -> None:
    plain = images(opened(folder))
    changed = (images(opened(folder, erase=ERASE)) != plain).any(axis=(1, 2, 3))
    assert 3 <= changed.sum() <= 24  # 12 expected of 48
    parts = [
        (images(opened(folder, randaugment=RANDOM), 0, e) != images(opened(folder), 0, e)).any(axis=(1, 2, 3))
        for e in range(1, 5)
    ]
    share = np.mean(parts)
    assert 0.55 < share < 0.85  # 3 in 4 get an operator, a few of which change nothing
    assert np.isfinite(plain).all()


def test_the_same_draws_for_any_number_of_workers(folder: Path) -> None:
    both = {"randaugment": RANDOM, "erase": ERASE, "repeats": 3}
    one = images(opened(folder, workers=1, **both))
    np.testing.assert_array_equal(one, images(opened(folder, workers=2, **both)))
    lively = both | {"crop": Crop(scale=[0.08, 1.0], ratio=[0.75, 1.33]), "flip": 0.5}
    one = images(opened(folder, workers=1, **lively))
    np.testing.assert_array_equal(one, images(opened(folder, workers=2, **lively)))
    assert not np.array_equal(one, images(opened(folder, **both), epoch=2))
    assert not np.array_equal(one, images(opened(folder, **both), seed=1))


def test_repeats_differ_and_keep_the_epoch_length(folder: Path) -> None:
    source = opened(folder, repeats=3, randaugment=RANDOM, erase=Erase(**{**ERASE.model_dump(), "prob": 1.0}))
    batches = list(source.train(12, 0, 1))
    assert [b.count for b in batches] == [12] * 4
    for b in batches:
        assert (np.ptp(b.labels.reshape(-1, 3), axis=1) == 0).all()
        assert not np.array_equal(b.images[0], b.images[1])


def test_grey_models_are_augmented_too(folder: Path) -> None:
    augment = AugmentGroup(**STILL, randaugment=RANDOM, erase=ERASE)
    source = open_source(str(folder), View(1, 32, 32, 0.875), augment=augment)
    assert images(source).shape == (48, 1, 32, 32)


def test_a_damaged_image_is_still_named(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "d")
    bad = tmp_path / "d" / "train" / "dog" / "03.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(CmtError, match=r"dog/03\.jpg") as found:
        images(opened(tmp_path / "d", randaugment=RANDOM, repeats=3), epoch=_epoch_with(27))
    assert found.value.code == "CMT-503"


def _epoch_with(image: int) -> int:
    """An epoch whose third of the 48 images holds this one (class cat comes first)."""
    from runtime.data.order import epoch_draws

    labels = np.zeros(48, np.int32)
    return next(
        e for e in range(1, 99) if image in epoch_draws(np.random.default_rng([0, e]), labels, 3) % 48
    )


@pytest.mark.mindspore
def test_a_run_with_everything_on(folder: Path, tmp_path: Path) -> None:
    everything = AugmentGroup(
        crop=Crop(scale=[0.08, 1.0], ratio=[0.75, 1.33]),
        flip=0.5,
        repeats=3,
        randaugment=RANDOM,
        erase=ERASE,
        jitter=Jitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
        mix=Mix(mixup=0.8, cutmix=1.0, mixup_prob=1.0, switch_prob=0.5),
    )
    sets = [f"augment.{key}={json.dumps(value)}" for key, value in everything.model_dump().items()]
    sets += ["train.epochs=2", "schedule.warmup_epochs=0", "train.batch=16"]

    words = ["train", ATOM, "--recipe", "digits", "--data", str(folder), "--out", "r"]
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", *words, *[w for s in sets for w in ("--set", s)]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()]
    assert records[0]["recipe"]["augment"] == everything.model_dump(mode="json")
    losses = [r["train_loss"] for r in records if r["event"] == "epoch"]
    assert len(losses) == 2 and np.isfinite(losses).all()
