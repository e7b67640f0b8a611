"""Files of others by container: read as what they are, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import save_arrays
from runtime.checkpoint.formats.foreign import read_foreign
from runtime.checkpoint.load import load_weights


def test_a_plain_safetensors_file_is_read_with_the_same_suspicion(tmp_path: Path) -> None:
    """bfloat16, which NumPy lacks, becomes float32; a cut file, 8-bit floats and a state of ours are refused."""
    header = {"w": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}}
    values = np.array([1.5, -2.25], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    path = tmp_path / "w.safetensors"
    path.write_bytes(container_bytes(header, halves))
    found = read_foreign(path).arrays["w"]
    assert found.dtype == np.float32 and found.tolist() == [[1.5], [-2.25]]
    path.write_bytes(container_bytes(header, halves)[:-1])
    assert refused(path) == "CMT-603"
    path.write_bytes(
        container_bytes({"w": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, halves)
    )
    assert refused(path) == "CMT-632"
    save_arrays(path, {"m": values}, {"kind": "cmt-dsl optimizer state"})
    assert refused(path) == "CMT-602"


def container_bytes(header: dict[str, object], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def refused(path: Path) -> str:
    with pytest.raises(CmtError) as caught:
        load_weights(path)
    return caught.value.code
