"""Files of torch.save, recorded, and of our own writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.checkpoint.formats.foreign import read_foreign
from runtime.checkpoint.formats.inert import Inert
from runtime.checkpoint.formats.torchfile import read_torch
from runtime.checkpoint.formats.torchwrite import write_torch

DATA = Path(__file__).parent / "data"
BASE = np.arange(24, dtype=np.float32)
EXPECTED: Mapping[str, np.ndarray] = {
    "plain": BASE.reshape(2, 3, 4),
    "transposed": BASE.reshape(4, 6).T,
    "view": BASE[5:17:3],
    "expanded": np.full(3, 1.5, np.float32),
    "scalar": np.array(7.25, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "half": (np.arange(5) / 4).astype(np.float16),
    "bfloat16": (np.arange(5) / 4).astype(np.float32),
    "double": np.arange(3) / 3,
    "int64": np.arange(-2, 3),
    "int32": np.arange(-2, 3, dtype=np.int32),
    "int16": np.arange(-2, 3, dtype=np.int16),
    "int8": np.arange(-2, 3, dtype=np.int8),
    "uint8": np.arange(250, 255, dtype=np.uint8),
    "bool": np.array([True, False, True]),
    "parameter": np.full((2, 2), 0.5, np.float32),
}


def same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert found[name].tobytes() == np.ascontiguousarray(value).tobytes(), name


@pytest.mark.parametrize("name", ["tensors.pth", "tensors_stream.pth"])
def test_both_formats_with_every_type_and_stride(name: str) -> None:
    file = read_torch(DATA / name)
    same(file.arrays(file.content), EXPECTED)


def test_a_training_checkpoint_is_data() -> None:
    file = read_torch(DATA / "run.pth")
    assert file.content["args"] == Inert("argparse.Namespace")
    assert file.content["epoch"] == 3
    assert file.scalar(file.content["best"]) == 81.25
    assert file.scalar(file.content["args"]) is None


def test_the_choice_between_model_and_average_is_said() -> None:
    taken, asked = read_foreign(DATA / "run.pth"), read_foreign(DATA / "run.pth", "model_ema")
    assert taken.notes == ("took 'model'; the file also holds model_ema",)
    assert asked.notes == ("took 'model_ema'; the file also holds model",)
    same(read_foreign(DATA / "run.pth", "ema").arrays, asked.arrays)
    np.testing.assert_allclose(asked.arrays["weight"], taken.arrays["weight"] + 1, rtol=1e-6)
    assert taken.arrays["num_batches_tracked"] == 1


@pytest.mark.parametrize(("name", "which"), [("run.pth", "modle"), ("tensors.pth", "model")])
def test_a_choice_that_is_not_there(name: str, which: str) -> None:
    with pytest.raises(CmtError) as caught:
        read_foreign(DATA / name, which)
    assert caught.value.code == "CMT-632"


def test_what_we_write_we_read(tmp_path: Path) -> None:
    tensors = {k: np.ascontiguousarray(v).reshape(v.shape) for k, v in EXPECTED.items()}
    write_torch(tmp_path / "a.pth", tensors)
    file = read_torch(tmp_path / "a.pth")
    same(file.arrays(file.content), tensors)
    first = (tmp_path / "a.pth").read_bytes()
    write_torch(tmp_path / "b.pth", tensors)
    assert (tmp_path / "b.pth").read_bytes() == first


@pytest.mark.parametrize("name", ["tensors.pth", "tensors_stream.pth", "run.pth"])
def test_truncations_are_found(tmp_path: Path, name: str) -> None:
    data = (DATA / name).read_bytes()
    for size in range(0, len(data), 61):
        (tmp_path / "a.pth").write_bytes(data[:size])
        with pytest.raises(CmtError) as caught:
            read_foreign(tmp_path / "a.pth")
        assert caught.value.code in ("CMT-630", "CMT-631", "CMT-632"), size


@pytest.mark.parametrize("name", ["tensors.pth", "tensors_stream.pth"])
def test_a_flipped_byte_never_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    """A zip has CRCs: its tensors are right or the file is refused. The stream has none, as PyTorch wrote it."""
    data = (DATA / name).read_bytes()
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 0x41
        (tmp_path / "a.pth").write_bytes(changed)
        try:
            found = read_foreign(tmp_path / "a.pth").arrays
        except CmtError:
            continue
        if name == "tensors.pth":
            same(found, EXPECTED)


def test_neither_zip_nor_stream(tmp_path: Path) -> None:
    for content in (b"hello", b"", b"\x80\x02}."):
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(CmtError) as caught:
            read_torch(tmp_path / "a.pth")
        assert caught.value.code == "CMT-630"
    with pytest.raises(CmtError) as caught:
        read_torch(tmp_path / "none.pth")
    assert caught.value.code == "CMT-601"
