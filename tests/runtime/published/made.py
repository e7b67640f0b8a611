"""Files of a small model's weights, and lists that publish them."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from cmt_dsl import Graph, build, load
from cmt_dsl.weights.initial import initial
from runtime.checkpoint.formats.torchwrite import write_torch
from runtime.checkpoint.recognise import names_of
from tests.tiny import as_yaml

ENTRY = {
    "name": "nano",
    "model": "cmt_nano",
    "profile": "official",
    "read_in": "a test",
    "license": "MIT",
}


@lru_cache(maxsize=1)
def graph() -> Graph:
    return build(load("cmt_nano"))


@lru_cache(maxsize=4)
def weights(seed: int = 0) -> bytes:
    """A .pth of cmt_nano in the official names."""
    arrays = initial(graph(), seed)
    named = {theirs: arrays[ours] for ours, theirs in names_of(graph(), "official").items()}
    with tempfile.TemporaryDirectory() as folder:
        write_torch(Path(folder) / "w.pth", named)
        return (Path(folder) / "w.pth").read_bytes()


def listed(folder: Path, *entries: dict[str, Any]) -> Path:
    """A list of the entries, each with what ENTRY says unless it says otherwise; None takes a key away."""
    rows = [{k: v for k, v in {**ENTRY, **entry}.items() if v is not None} for entry in entries]
    folder.mkdir(exist_ok=True)
    file = folder / "list.yaml"
    file.write_text(as_yaml({"published": "test", "weights": rows}), encoding="utf-8")
    return file
