"""The fault matrix of a file: every bit, every length, every region, foreign and wrong files. None loads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import KIND, SEAL, load_arrays, load_checkpoint, save_arrays
from runtime.checkpoint.load import restore
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, refusal, saved

FREE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return saved(tmp_path / "last.safetensors")


def regions(data: bytes) -> dict[str, range]:
    """The parts of a file by name, from its own length field."""
    header = 8 + int.from_bytes(data[:8], "little")
    seal = range(8, 8 + len(SEAL))
    digest = range(seal.stop, seal.stop + 64)
    spec = data.index(b'"spec":"')
    entries = data.index(b'"stages.0')
    return {
        "length": range(8),
        "seal": seal,
        "digest": digest,
        "facts": range(digest.stop, spec),
        "spec": range(spec, data.index(b'"fingerprint"')),
        "entries": range(entries, header),
        "data": range(header, len(data)),
    }


def test_every_flipped_byte_is_found(file: Path) -> None:
    """One bit and all bits of every byte, padding included: refused, and as a foreign file only at the very start."""
    data = file.read_bytes()
    for at in range(len(data)):
        for mask in (1 << at % 8, 0xFF):
            changed = bytearray(data)
            changed[at] ^= mask
            file.write_bytes(changed)
            error = refusal(file)
            assert error.code == ("CMT-602" if at == 8 or (at < 8 and error.code == "CMT-602") else "CMT-603")
            assert "truncated" not in str(error), (at, mask, str(error))
    assert len(data) > 1000


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("length", "its header claims|not what safetensors holds"),
        ("seal", "altered or rewritten|not what safetensors holds|does not describe a tensor"),
        ("digest", "does not match its checksum|not what safetensors holds"),
        ("facts", "does not match its checksum|not what safetensors holds"),
        ("spec", "does not match its checksum|not what safetensors holds"),
        ("entries", "tensor|not what safetensors holds|does not match its checksum"),
        ("data", "does not match its checksum"),
    ],
)
def test_each_region_overwritten(file: Path, region: str, says: str) -> None:
    """A region of zeros, of 0xff, of random bytes, and turned around."""
    data = file.read_bytes()
    where = regions(data)[region]
    old = data[where.start : where.stop]
    noise = np.random.default_rng(3).integers(0, 256, len(old), np.uint8).tobytes()
    for new in {bytes(len(old)), b"\xff" * len(old), noise, old[::-1]} - {old}:
        file.write_bytes(data[: where.start] + new + data[where.stop :])
        error = refusal(file)
        if region == "length":
            assert error.code in ("CMT-602", "CMT-603")
        else:
            assert error.code == ("CMT-602" if region == "seal" and new[:1] != b"{" else "CMT-603")
            assert error.code == "CMT-602" or any(part in str(error) for part in says.split("|")), str(error)


def test_regions_cover_the_file(file: Path) -> None:
    data = file.read_bytes()
    found = regions(data)
    assert all(len(part) > 0 for part in found.values())
    assert data[found["digest"].start : found["digest"].stop].decode().isalnum()


def test_every_truncation_is_called_that(file: Path) -> None:
    data = file.read_bytes()
    for size in range(len(data)):
        file.write_bytes(data[:size])
        error = refusal(file)
        assert (error.code, "truncated" in str(error)) == (
            ("CMT-602", False) if size < 9 else ("CMT-603", True)
        )


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"x" * 1000])
def test_a_longer_file(file: Path, tail: bytes) -> None:
    file.write_bytes(file.read_bytes() + tail)
    error = refusal(file)
    assert error.code == "CMT-603" and f"{len(tail)} bytes follow" in str(error)


@FREE
@given(st.data())
def test_no_edit_of_any_kind_loads(file: Path, data: st.DataObject) -> None:
    """Pieces cut out, put in, moved or replaced, several times."""
    whole = file.read_bytes()
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        length = data.draw(st.integers(0, 40))
        changed[at : at + length] = data.draw(st.binary(max_size=40))
    path = file.with_name("edited")
    path.write_bytes(changed)
    if bytes(changed) == whole:
        load_checkpoint(path)
    else:
        assert refusal(path).code in ("CMT-602", "CMT-603")


def test_tensors_exchanged_between_two_checkpoints(tmp_path: Path) -> None:
    """The data of one run under the header of another, of the same size."""
    a = saved(tmp_path / "a", checkpoint_of(SMALL, seed=1)).read_bytes()
    b = saved(tmp_path / "b", checkpoint_of(SMALL, seed=2)).read_bytes()
    cut = regions(a)["data"].start
    assert len(a) == len(b) and cut == regions(b)["data"].start
    (tmp_path / "c").write_bytes(a[:cut] + b[cut:])
    assert "checksum" in str(refusal(tmp_path / "c"))


def test_two_names_exchanged(file: Path) -> None:
    """Weight and bias of the norm, of one shape: the numbers are all there, at the wrong place."""
    data = file.read_bytes()
    a, b = b'"stages.0.blocks.0.norm.running_mean"', b'"stages.0.blocks.0.norm.running_var"'
    assert data.count(a) == data.count(b) == 1
    file.write_bytes(data.replace(a, b"@").replace(b, a).replace(b"@", b))
    assert "checksum" in str(refusal(file))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_not_used(tmp_path: Path, bad: float) -> None:
    """The file is sound, its checksum good: the weights are refused all the same before anything uses them."""
    weight = checkpoint_of(SMALL).arrays["stages.0.blocks.0.conv.weight"].copy()
    weight.flat[2] = bad
    path = saved(tmp_path / "x.safetensors", stages__0__blocks__0__conv__weight=weight)
    load_checkpoint(path)
    with pytest.raises(CmtError, match=r"conv.weight: 1 of 9 numbers are NaN or Inf") as found:
        restore(path)
    assert found.value.code == "CMT-610"


def test_the_weights_of_another_model_are_not_used(tmp_path: Path) -> None:
    other = checkpoint_of(SMALL.replace("out: 3", "out: 5"))
    path = tmp_path / "x.safetensors"
    saved(path, replace(checkpoint_of(SMALL), arrays=other.arrays))
    with pytest.raises(
        CmtError, match=r"\[5, 3, 1, 1\] in the checkpoint, \[3, 3, 1, 1\] in the spec"
    ) as found:
        restore(path)
    assert found.value.code == "CMT-604"
    saved(path, replace(other, spec_text=checkpoint_of(SMALL).spec_text))
    with pytest.raises(CmtError, match="its spec now builds"):
        restore(path)


@pytest.mark.parametrize("kind", ["f8", "f2", "i4"])
def test_weights_of_another_type_are_not_used(tmp_path: Path, kind: str) -> None:
    weight = checkpoint_of(SMALL).arrays["stages.0.blocks.0.conv.weight"].astype(kind)
    path = saved(tmp_path / "x.safetensors", stages__0__blocks__0__conv__weight=weight)
    with pytest.raises(CmtError, match="should be float32"):
        restore(path)


def test_the_optimizer_state_is_no_checkpoint(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x", {"m": np.zeros(3)}, {"kind": "cmt-dsl optimizer state"})
    error = refusal(tmp_path / "x")
    assert error.code == "CMT-602" and "optimizer state" in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch", "x"),
        ("step", None),
        ("classes", "{}"),
        ("recipe", "[1]"),
        ("metrics", "[" * 9999),
        ("spec", None),
    ],
)
def test_a_sound_file_with_a_header_that_makes_no_sense(tmp_path: Path, name: str, value: str | None) -> None:
    path = saved(tmp_path / "x")
    arrays, header = load_arrays(path)
    save_arrays(path, arrays, {k: v for k, v in {**header, name: value}.items() if v is not None})
    error = refusal(path)
    assert error.code == "CMT-603" and f"'{name}'" in str(error)


def test_a_file_rewritten_by_another_program(file: Path) -> None:
    """safetensors' own writer keeps the metadata, but in an order that it draws: rarely the checksum comes first again."""
    from safetensors.numpy import load_file, save_file

    from runtime.checkpoint.file import SEAL

    data = file.read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    arrays = load_file(file)
    while data[8:].startswith(SEAL):
        save_file(arrays, file, metadata={"a": "first", **metadata})
        data = file.read_bytes()
    assert metadata["kind"] == KIND
    error = refusal(file)
    assert error.code == "CMT-603" and "rewritten by another program" in str(error)
