"""Hostile .pth files: each is refused, nothing runs, and memory stays bounded by the file's size."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import functools
import io
import os
import pathlib
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.checkpoint.formats.foreign import read_foreign
from tests.runtime.checkpoint.archives import archive, stream

DATA = Path(__file__).parent / "data"
TEXT = b"X" + struct.pack("<I", 1) + b"a"


class Call:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


def dumped(value: Any, protocol: int = 2) -> bytes:
    return pickle.dumps(value, protocol)


def hostile(canary: Path) -> dict[str, bytes]:
    touch, code = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    return {
        "os.system": dumped(Call(os.system, touch)),
        "os.system by STACK_GLOBAL": dumped(Call(os.system, touch), 4),
        "builtins.exec": dumped(Call(exec, code)),
        "builtins.eval": dumped(Call(eval, code)),
        "builtins.getattr": dumped(Call(getattr, [], "append")),
        "open in a state dict": dumped({"model": {"weight": Call(open, str(canary), "w")}}),
        "nested reduce": dumped(Call(Call, Call(os.system, touch))),
        "a call of a call": b"\x80\x02cposix\nsystem\n" + TEXT + b"\x85R" + b")R.",
        "a call of what was called": b"\x80\x02ccollections\nOrderedDict\n)R)R.",
        "setstate": dumped(Call(io.BytesIO, b"", state=(b"", 0, None))),
        "an instance by INST": b"(" + TEXT + b"ios\nsystem\n.",
        "an object by OBJ": b"(cos\nsystem\n" + TEXT + b"o.",
        "an extension": b"\x80\x02\x82\x01.",
        "an attribute of a torch module": b"\x80\x02ctorch\nload\n" + TEXT + b"\x85R.",
        "a storage that is none": b"\x80\x02ctorch\nhub.load\n" + TEXT + b"\x85R.",
        "a numpy array": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.",
        "a persistent name": b"Psecret\n.",
    }  # fmt: skip


def malformed() -> dict[str, bytes]:
    """Names of one line, contents that must be refused or called damaged without much memory or time."""
    huge = struct.pack("<I", 2**31 - 1)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\1tQ"
    return {
        "a huge memo index": b"\x80\x02}r" + huge + b"j" + huge + b"q\x00",
        "a memo that is not there": b"\x80\x02j" + huge + b".",
        "a huge text": b"\x80\x02X" + huge + b"a.",
        "a text of 2^62 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.",
        "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"a.",
        "a huge integer": b"\x80\x02\x8b" + huge + b"\1.",
        "a decimal of 100,000 digits": b"L" + b"9" * 100_000 + b"L\n.",
        "a namespace that is called": b"\x80\x02cargparse\nNamespace\n" + TEXT + b"\x85R.",
        "opcodes without end": b"\x80\x02" + b"]" * 1_200_000 + b".",
        "marks without end": b"\x80\x02" + b"(" * 1_200_000 + b".",
        "a tuple in a tuple in a tuple": b"\x80\x02)" + b"\x85" * 200_000 + b"K\1s.",
        "a dict as a key": b"\x80\x02}}K\1s.",
        "a deep tuple as a key": b"\x80\x02})" + b"\x85" * 200_000 + b"K\1s.",
        "an empty stack": b"\x80\x02R.",
        "no end": b"\x80\x02}",
        "an unknown opcode": b"\x80\x02\xff.",
        "doubled text": b"\x80\x02c_codecs\nencode\nX\x10\0\0\0" + b"a" * 16 + b"X\6\0\0\0latin1\x86R.",
        "a dict from a dict, often": b"\x80\x02ccollections\nOrderedDict\n](K\1K\2\x86e\x85R.",
        "a tensor of 2^60 elements": b"\x80\x02}" + TEXT + tensor + b"K\0" + b"\x8a\x08" + struct.pack("<q", 2**60)
        + b"\x85K\0\x85\x89}tRs.",
        "a tensor that repeats one element 2^40 times": b"\x80\x02}" + TEXT + tensor + b"K\0" + b"\x8a\x08"
        + struct.pack("<q", 2**40) + b"\x85K\0\x85\x89}tRs.",
        "a tensor beyond its storage": b"\x80\x02}" + TEXT + tensor + b"K\1K\1\x85K\1\x85\x89}tRs.",
        "a tensor of negative stride": b"\x80\x02}" + TEXT + tensor + b"K\0K\1\x85J\xff\xff\xff\xff\x85\x89}tRs.",
    }  # fmt: skip


def refused(path: Path) -> CmtError:
    """The error that reading gives, with memory watched."""
    tracemalloc.start()
    try:
        with pytest.raises(CmtError) as caught:
            read_foreign(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6 + 200 * path.stat().st_size, f"{peak:,} bytes"
    return caught.value


@pytest.mark.parametrize("form", [archive, stream], ids=["zip", "stream"])
@pytest.mark.parametrize("what", hostile(Path("x")))
def test_code_is_refused_and_never_runs(tmp_path: Path, what: str, form: Callable[..., bytes]) -> None:
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    path.write_bytes(form(hostile(canary)[what]))
    error = refused(path)
    assert error.code in ("CMT-630", "CMT-631", "CMT-632"), error
    assert str(path) in str(error) and error.problems[0].hint
    assert not canary.exists() and sorted(tmp_path.iterdir()) == [path]


WEIGHTS = {"w": b"\0\0\x80?"}
"""A state dict of one tensor, whose storage holds 1.0."""


def with_weights(beside: bytes, where: str = "args") -> bytes:
    """A zip file of {"model": {"w": 1.0}, "args": what the pickle `beside` stands for}, or with it among the weights."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\1tQ"
        b"K\0K\1\x85K\1\x85\x89}tR"
    )
    body = beside.removeprefix(b"\x80" + beside[1:2])[:-1] if beside[:1] == b"\x80" else beside[:-1]
    key = b"X" + struct.pack("<I", len(where)) + where.encode()
    inside = b"X\1\0\0\0w" + tensor + b"s"
    if where == "args":
        return archive(b"\x80\x04}X\5\0\0\0model}" + inside + b"s" + key + body + b"s.", {"0": WEIGHTS["w"]})
    return archive(b"\x80\x04}X\5\0\0\0model}" + inside + key + body + b"ss.", {"0": WEIGHTS["w"]})


@pytest.mark.parametrize("what", hostile(Path("x")))
def test_code_beside_weights_is_a_name_and_among_them_a_refusal(tmp_path: Path, what: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    path.write_bytes(with_weights(hostile(canary)[what]))
    if what != "a call of what was called":  # a dict that is called makes no sense
        assert read_foreign(path).arrays["w"].tolist() == [1.0]
        path.write_bytes(with_weights(hostile(canary)[what], "bias"))
        error = refused(path)
        if what != "open in a state dict":
            assert error.code == "CMT-631" and "model.bias" in str(error), error
    else:
        assert refused(path).code == "CMT-630"
    assert not canary.exists() and sorted(tmp_path.iterdir()) == [path]


class Config:
    """A configuration as training scripts pickle them."""

    def __init__(self) -> None:
        self.lr, self.inner = 0.1, {"deep": (1, 2)}


class Mode(enum.Enum):
    TRAIN = 1


FOREIGN = {
    "path": pathlib.PurePosixPath("/data/x"),
    "set": {1, 2},
    "frozenset": frozenset([1]),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "counter": collections.Counter("abc"),
    "ordered dict with items": collections.OrderedDict(a=1),
    "config": Config(),
    "namespace": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("x")),
    "enum": Mode.TRAIN,
    "time": datetime.datetime(2020, 1, 1),
    "partial": functools.partial(int, base=2),
    "array": np.arange(4.0),
    "random state": np.random.RandomState(0).get_state(),
    "generator": np.random.default_rng(0),
    "dtype": np.dtype("float32"),
    "decimal": decimal.Decimal("1.5"),
    "complex": 1j,
    "slice": slice(1, 2),
    "bytearray": bytearray(b"x"),
    "fractional keys": {0.5: 1, (1, "a"): 2, b"k": 3, Mode.TRAIN: 4},
    "range": range(3),
    "itself": (lambda items: items.append(items) or items)([]),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("what", FOREIGN)
def test_foreign_objects_beside_weights_do_not_matter(tmp_path: Path, what: str, protocol: int) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(with_weights(pickle.dumps(FOREIGN[what], protocol)))
    found = read_foreign(path)
    assert found.arrays["w"].tolist() == [1.0] and found.which == "model"
    if what == "config" and protocol >= 2:
        path.write_bytes(with_weights(pickle.dumps(FOREIGN[what], protocol), "bias"))
        assert "test_pickles.Config" in str(refused(path))


@pytest.mark.parametrize("what", malformed())
def test_what_makes_no_sense_is_refused_in_bounded_memory(tmp_path: Path, what: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(archive(malformed()[what], {"0": b"\0\0\0\0"}))
    error = refused(path)
    assert error.code in ("CMT-630", "CMT-631", "CMT-632")
    assert len(str(error)) < 600


def test_the_canary_would_have_been_seen(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(hostile(canary)["os.system"])
    assert canary.exists()


@pytest.mark.parametrize("name", ["module.pth", "program.pth"])
def test_recorded_code_is_refused_by_name(name: str) -> None:
    error = refused(DATA / name)
    assert error.code == ("CMT-632" if name == "module.pth" else "CMT-631")
    assert ("torch.nn.modules.batchnorm" if name == "module.pth" else "TorchScript") in str(error)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", b"\x80\x02}.")
        bomb.writestr("archive/data/0", bytes(200 << 20))
    path = tmp_path / "bomb.pth"
    path.write_bytes(buffer.getvalue())
    assert path.stat().st_size < 1 << 20
    error = refused(path)
    assert error.code == "CMT-631" and "compressed" in str(error)


def test_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """Overlapping stored entries: a small file that would count for much."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02}.")
        file.writestr("archive/data/0", bytes(1 << 20))
        first = file.getinfo("archive/data/0")
        for index in range(1, 500):
            twin = zipfile.ZipInfo(f"archive/data/{index}")
            twin.header_offset, twin.CRC = first.header_offset, first.CRC
            twin.file_size = twin.compress_size = first.file_size
            file.filelist.append(twin)
    path = tmp_path / "overlap.pth"
    path.write_bytes(buffer.getvalue())
    assert refused(path).code == "CMT-631"


def test_a_declared_directory_of_a_gigabyte_is_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "wide.pth", bytearray(archive(b"\x80\x02}."))
    end = data.rfind(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<I", 1 << 30)
    path.write_bytes(data)
    assert refused(path).code == "CMT-631"
