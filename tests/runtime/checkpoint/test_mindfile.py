"""MindSpore's .ckpt, by our reader and writer and by MindSpore's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.checkpoint.formats.mindfile import read_mindspore, write_mindspore

TENSORS = {
    "a.weight": np.arange(240, dtype=np.float32).reshape(4, 3, 20),
    "scalar": np.array(2.5, np.float32),
    "half": np.arange(4, dtype=np.float16),
    "count": np.arange(-3, 3, dtype=np.int64),
    "flags": np.array([True, False]),
}


def same(found: dict[str, np.ndarray]) -> None:
    assert list(found) == list(TENSORS)
    for name, value in TENSORS.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert found[name].tobytes() == value.tobytes(), name


@pytest.mark.parametrize("piece", [1 << 20, 100, 7])
def test_round_trip_whole_and_in_pieces(tmp_path: Path, piece: int) -> None:
    write_mindspore(tmp_path / "a.ckpt", TENSORS, piece)
    same(read_mindspore(tmp_path / "a.ckpt"))


def test_every_flipped_byte_and_truncation_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    write_mindspore(path, TENSORS)
    data = path.read_bytes()
    for at in range(0, len(data) - 17, 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        with pytest.raises(CmtError) as caught:
            read_mindspore(path)
        assert caught.value.code == "CMT-630"
    whole = len(data) - 17
    ends = [whole]  # without its CRC the file is whole, as MindSpore writes it by default
    for size in range(whole):
        path.write_bytes(data[:size])
        try:
            found = read_mindspore(path)
        except CmtError as error:
            assert error.code == "CMT-630"
        else:
            ends.append(size)
            assert list(found) == list(TENSORS)[: len(found)] and len(found) < len(TENSORS)
    assert len(ends) == len(TENSORS)  # cut exactly between two tensors: strict names will miss the rest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x0a\x02\x1a\x00",
        b"\x08\x01",
        b"\xff" * 30,
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(CmtError) as caught:
        read_mindspore(tmp_path / "a.ckpt")
    assert caught.value.code == "CMT-630"


@pytest.mark.mindspore
@pytest.mark.parametrize("piece", [1 << 20, 100])
def test_mindspore_reads_what_we_write(tmp_path: Path, piece: int) -> None:
    import mindspore as ms

    path = tmp_path / "a.ckpt"
    write_mindspore(path, TENSORS, piece)
    found = ms.load_checkpoint(str(path), crc_check=True)
    same({name: value.asnumpy() for name, value in found.items()})


@pytest.mark.mindspore
@pytest.mark.parametrize("crc", [True, False])
def test_we_read_what_mindspore_writes(tmp_path: Path, crc: bool) -> None:
    import mindspore as ms

    path = tmp_path / "a.ckpt"
    items = [{"name": name, "data": ms.Tensor(value)} for name, value in TENSORS.items()]
    ms.save_checkpoint(items, str(path), crc_check=crc)
    same(read_mindspore(path))
    wide = [{"name": "wide", "data": ms.Tensor(np.array([1.5, -2]), ms.bfloat16)}]
    ms.save_checkpoint(wide, str(path), append_dict={"epoch": 3, "who": "me"})
    found = read_mindspore(path)
    assert found["wide"].tolist() == [1.5, -2] and found["epoch"] == 3 and "who" not in found
