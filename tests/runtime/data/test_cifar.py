"""CIFAR's binary files, made small: every byte where it belongs, and what a wrong file is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.data.source import View
from runtime.data.stores.cifar import FORMS
from tests.runtime.data.made import LIVELY, STILL, opened, together

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def make_cifar(root: Path, form: int, count: int = 12) -> dict[str, np.ndarray]:
    """Files of a form with `count` records each; what they hold by file name, [n, 3, 32, 32] and labels."""
    shape = FORMS[form]
    folder = root / shape.folder
    folder.mkdir(parents=True)
    names = TEN if form == 0 else tuple(f"fine_{i:02d}" for i in range(100))
    (folder / shape.names).write_text("\n".join(names) + "\n\n")
    rng, held = np.random.default_rng(form), {}
    for name in (*shape.train, shape.val):
        planes = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        labels = rng.integers(0, shape.classes, count).astype(np.uint8)
        heads = [labels] if form == 0 else [rng.integers(0, 20, count).astype(np.uint8), labels]
        records = np.concatenate([np.stack(heads, axis=1), planes.reshape(count, -1)], axis=1)
        (folder / name).write_bytes(records.tobytes())
        held[name], held[name + " labels"] = planes, labels
    return held


@pytest.mark.parametrize("form", [0, 1], ids=["cifar-10", "cifar-100"])
@pytest.mark.parametrize("inside", [True, False])
def test_every_pixel_and_label(tmp_path: Path, form: int, inside: bool) -> None:
    held = make_cifar(tmp_path, form)
    shape = FORMS[form]
    source = opened(tmp_path / shape.folder if inside else tmp_path, STILL, View(3, 32, 32, 1.0))
    assert (source.train_size, source.val_size) == (12 * len(shape.train), 12)
    assert len(source.classes) == shape.classes and source.classes[3] == ("cat" if form == 0 else "fine_03")
    images, labels = together(source.val(5))
    np.testing.assert_array_equal(source.pixels(images), held[shape.val].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(labels, held[f"{shape.val} labels"])
    images, labels = together(source.train(12, 0, 1))
    everything = np.concatenate([held[name] for name in shape.train]).transpose(0, 2, 3, 1)
    every_label = np.concatenate([held[f"{name} labels"] for name in shape.train])
    order = np.random.default_rng([0, 1]).permutation(len(everything))
    np.testing.assert_array_equal(source.pixels(images), everything[order])
    np.testing.assert_array_equal(labels, every_label[order])


def test_shown_at_any_size_and_augmented(tmp_path: Path) -> None:
    make_cifar(tmp_path, 0)
    source = opened(tmp_path, LIVELY, View(3, 160, 96, 0.875))
    assert next(source.train(6, 0, 1)).images.shape == (6, 3, 160, 96)
    assert next(source.val(6)).images.shape == (6, 3, 160, 96)
    alone = opened(tmp_path, None)
    assert (alone.train_size, alone.val_size) == (0, 12)


def test_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    make_cifar(tmp_path, 0)
    folder = tmp_path / FORMS[0].folder
    file = folder / "data_batch_3.bin"
    whole = file.read_bytes()

    def fails(code: str, match: str) -> None:
        with pytest.raises(CmtError, match=match) as found:
            opened(tmp_path)
        assert found.value.code == code

    for content in (whole[:-1], whole + b"x", b"", whole[:3072]):
        file.write_bytes(content)
        fails("CMT-507", rf"data_batch_3\.bin has {len(content):,} bytes, .* record's 3,073")
    file.write_bytes(whole[:3073] + b"\x0a" + whole[3074:])
    fails("CMT-507", r"data_batch_3\.bin record 1 has label 10 of 10 classes")
    file.unlink()
    fails("CMT-501", r"cannot read .*data_batch_3\.bin: No such file")
    file.write_bytes(whole)
    (folder / "batches.meta.txt").write_text("cat\ncat\n")
    fails("CMT-507", "names 1 classes instead of 10")
