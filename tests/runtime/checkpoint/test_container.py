"""The container: what safetensors reads we write, what it writes we read, and headers that lie are refused."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cmt_dsl.errors import CmtError
from runtime.checkpoint.container import HEADER_LIMIT, NUMPY, read_container, read_header, tensor
from runtime.checkpoint.file import load_arrays, save_arrays
from tests.tiny import ROOT

FREE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TYPES = st.sampled_from(sorted(NUMPY.values()))
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__")
ARRAYS = st.dictionaries(NAMES, st.tuples(TYPES, SHAPES).flatmap(lambda t: hnp.arrays(*t)), max_size=6)


@FREE
@given(ARRAYS)
def test_any_arrays_come_back_bit_for_bit(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    save_arrays(tmp_path / "x", arrays, {"kind": "cmt-dsl test", "text": "é\n\"'{}犬"})
    found, header = load_arrays(tmp_path / "x")
    assert header == {"kind": "cmt-dsl test", "text": "é\n\"'{}犬"}
    assert found.keys() == arrays.keys()
    for name, value in arrays.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert found[name].tobytes() == value.tobytes() and found[name].flags.aligned


@FREE
@given(ARRAYS)
def test_safetensors_itself_reads_our_files_and_we_read_its(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    from safetensors.numpy import load_file, save_file

    save_arrays(tmp_path / "ours", arrays, {"kind": "cmt-dsl test"})
    for name, value in load_file(tmp_path / "ours").items():
        assert value.tobytes() == arrays[name].tobytes() and value.shape == arrays[name].shape
    save_file(arrays, tmp_path / "theirs", metadata={"a": "b"})
    header, data = read_container(tmp_path / "theirs")
    assert header.metadata == {"a": "b"} and header.entries.keys() == arrays.keys()
    for name, value in arrays.items():
        assert tensor(data, header.entries[name]).tobytes() == value.tobytes()


def test_memory_that_is_not_in_order_is_put_so(tmp_path: Path) -> None:
    grid = np.arange(12, dtype=">f4").reshape(3, 4)
    save_arrays(tmp_path / "x", {"t": grid.T, "s": grid[::2, 1:]}, {"kind": "cmt-dsl test"})
    found, _ = load_arrays(tmp_path / "x")
    assert (found["t"] == grid.T).all() and (found["s"] == grid[::2, 1:]).all()


@pytest.mark.parametrize(
    "arrays", [{"c": np.zeros(2, "c16")}, {"o": np.array(["a"])}, {"__metadata__": np.zeros(2)}]
)
def test_what_has_no_place_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(CmtError, match="CMT-606"):
        save_arrays(tmp_path / "x", arrays, {"kind": "cmt-dsl test"})
    assert not list(tmp_path.iterdir())


def write(path: Path, header: Any, data: bytes = b"", size: int | None = None) -> Path:
    """A container with any header, as JSON or as the bytes given."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if size is None else size) + text + data)
    return path


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


LIES = {
    "a hole": ({"a": entry(), "b": entry(offsets=(12, 20))}, 20),
    "overlap": ({"a": entry(), "b": entry(offsets=(4, 12))}, 12),
    "the same bytes twice": ({"a": entry(), "b": entry()}, 8),
    "begins late": ({"a": entry(offsets=(8, 16))}, 16),
    "backwards": ({"a": entry(shape=(0,), offsets=(8, 0))}, 8),
    "negative": ({"a": entry(offsets=(-8, 0))}, 8),
    "too few bytes": ({"a": entry(shape=(3,))}, 8),
    "another type": ({"a": entry(dtype="F64")}, 8),
    "an unknown type": ({"a": entry(dtype="F33")}, 8),
    "a type that is none": ({"a": entry(dtype=[["F32"]])}, 8),
    "a negative size": ({"a": entry(shape=(-2, -1))}, 8),
    "a fraction": ({"a": entry(shape=(2.0,))}, 8),
    "a truth": ({"a": entry(shape=(True, 2))}, 8),
    "many dimensions": ({"a": entry(shape=[1] * 33 + [2])}, 8),
    "a product beyond 64 bits": ({"a": entry(shape=(1 << 40, 1 << 40, 0), offsets=(0, 0))}, 0),
    "a huge size": ({"a": entry(shape=(1 << 60,), offsets=(0, 1 << 62))}, 8),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, 8),
    "a word more": ({"a": entry(more=1)}, 8),
    "three offsets": ({"a": entry(offsets=(0, 4, 8))}, 8),
    "a text": ({"a": "b"}, 0),
    "metadata that is no text": ({"__metadata__": {"a": 1}, "a": entry()}, 8),
    "metadata that is a list": ({"__metadata__": [], "a": entry()}, 8),
    "the same name twice": (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "a field twice": (b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "not a number": (b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', 8),
    "a number of 5,000 digits": (b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}', 8),
    "not UTF-8": (b'{"\xff":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "UTF-16": ('{"a":{}}'.encode("utf-16-le").replace(b"{\0", b"{", 1), 0),
    "nested a million deep": (b'{"a":' + b"[" * 1_000_000, 0),
    "nested and closed": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 0),
    "no JSON": (b"{" + b"x" * 100, 8),
    "a second value": (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} {}', 8),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies(tmp_path: Path, lie: str) -> None:
    header, size = LIES[lie]
    path = write(tmp_path / "x", header, b"\0" * size)
    for read in (read_header, read_container, load_arrays):
        with pytest.raises(CmtError) as found:
            read(path)
        assert found.value.code == "CMT-603" and str(path) in str(found.value)
        assert len(str(found.value)) < 600  # what a file says is not repeated at length


@pytest.mark.parametrize("size", [0, 1, HEADER_LIMIT + 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_a_header_length_that_lies(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "x", {"a": entry()}, b"\0" * 8, size=size)
    with pytest.raises(CmtError) as found:
        read_header(path)
    assert found.value.code == "CMT-603" and "truncated" not in str(found.value)


BOUNDED = """
import resource, sys
import numpy
from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import load_arrays
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        load_arrays(path)
    except CmtError as error:
        print(error.code)
"""


def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    """The densest JSON that a header may hold, more than it may hold, and a sealed sparse terabyte; in 400 MiB."""
    dense = write(tmp_path / "x", b'{"a":[' + b"[]," * ((HEADER_LIMIT - 20) // 3) + b"[]]}")
    more = write(tmp_path / "y", b'{"a":[' + b"[]," * HEADER_LIMIT + b"[]]}")
    sealed = {"__metadata__": {"sha256": "0" * 64}, "a": entry("U8", (1 << 40,), (0, 1 << 40))}
    huge = write(tmp_path / "z", json.dumps(sealed, separators=(",", ":")).encode())
    with huge.open("r+b") as file:
        file.truncate(huge.stat().st_size + (1 << 40))
    command = [sys.executable, "-c", BOUNDED, str(dense), str(more), str(huge)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["CMT-603", "CMT-602", "CMT-601"], done.stderr


@FREE
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_an_answer_or_an_error_of_ours(tmp_path: Path, text: bytes, framed: bool) -> None:
    path = write(tmp_path / "x", b"{" + text) if framed else tmp_path / "x"
    if not framed:
        path.write_bytes(text)
    try:
        read_header(path)
    except CmtError as error:
        assert error.code in ("CMT-602", "CMT-603")


def test_one_copy_in_memory(tmp_path: Path) -> None:
    """Reading holds the data once; writing does not copy it at all."""
    arrays = {f"w{i}": np.random.default_rng(i).standard_normal((1 << 20,), np.float32) for i in range(8)}
    size = sum(a.nbytes for a in arrays.values())
    save_arrays(tmp_path / "y", arrays, {"kind": "cmt-dsl test"})  # imports
    tracemalloc.start()
    save_arrays(tmp_path / "x", arrays, {"kind": "cmt-dsl test"})
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.clear_traces()
    found, _ = load_arrays(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 0.1 * size and peak < 1.1 * size
    assert sys.getsizeof(found["w0"]) < 1000 and found["w0"].flags.writeable


@pytest.mark.parametrize("what", ["directory", "pipe", "device", "nul", "long"])
def test_what_is_no_file(tmp_path: Path, what: str) -> None:
    import os

    path = tmp_path
    if what == "pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    elif what != "directory":
        path = {"device": Path("/dev/zero"), "nul": Path("a\0b"), "long": tmp_path / ("x" * 999)}[what]
    with pytest.raises(CmtError) as found:
        load_arrays(path)
    assert found.value.code == "CMT-601"
