"""Checkpoints: one safetensors file with canonical names and everything needed to use it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.atomic import write_atomically

FORMAT = 2
"""2: may hold averaged weights, each under its path after AVERAGED; without them a file is of format 1."""
KIND = "cmt-dsl checkpoint"
AVERAGED = "ema:"


@dataclass(frozen=True)
class Checkpoint:
    """Weights by canonical name, and where they come from. `spec_text` alone rebuilds the model."""

    arrays: dict[str, np.ndarray]
    spec_text: str
    fingerprint: str
    classes: tuple[str, ...]
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    epoch: int
    step: int
    source: str
    versions: dict[str, str] = field(default_factory=dict)
    ema: dict[str, np.ndarray] | None = None

    def weights(self, which: str = "raw") -> dict[str, np.ndarray]:
        """The "raw" weights, or the "ema" of them; CMT-806 if the run kept no average."""
        if which == "raw":
            return self.arrays
        if self.ema is None:
            raise CmtError(
                "CMT-806",
                "the checkpoint holds no averaged weights: its run kept none",
                hint="use its raw weights, or train with train.ema",
            )
        return self.ema


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write atomically: after a crash at any moment `path` holds the old file or the new one. CMT-606 on failure."""
    header = {
        "kind": KIND,
        "format": str(FORMAT if checkpoint.ema is not None else 1),
        "spec": checkpoint.spec_text,
        "fingerprint": checkpoint.fingerprint,
        "classes": json.dumps(checkpoint.classes, ensure_ascii=False),
        "recipe": json.dumps(checkpoint.recipe),
        "metrics": json.dumps(checkpoint.metrics),
        "epoch": str(checkpoint.epoch),
        "step": str(checkpoint.step),
        "source": checkpoint.source,
        "versions": json.dumps(checkpoint.versions),
    }
    averaged = {AVERAGED + path: value for path, value in (checkpoint.ema or {}).items()}
    save_arrays(path, {**checkpoint.arrays, **averaged}, header)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and verify; raises CMT-601, 602, 603 or 605."""
    arrays, header = load_arrays(path)
    if header.get("kind") != KIND:
        raise CmtError(
            "CMT-602",
            f"{path} is not a checkpoint of this project",
            hint="weights of another project need a conversion first",
        )
    if int(header["format"]) > FORMAT:
        raise CmtError(
            "CMT-605",
            f"{path} has checkpoint format {header['format']}, this version reads {FORMAT}",
            hint="upgrade cmt-dsl",
        )
    ema = {n.removeprefix(AVERAGED): a for n, a in arrays.items() if n.startswith(AVERAGED)}
    return Checkpoint(
        arrays={n: a for n, a in arrays.items() if not n.startswith(AVERAGED)},
        ema=ema or None,
        spec_text=header["spec"],
        fingerprint=header["fingerprint"],
        classes=tuple(json.loads(header["classes"])),
        recipe=json.loads(header["recipe"]),
        metrics=json.loads(header["metrics"]),
        epoch=int(header["epoch"]),
        step=int(header["step"]),
        source=header["source"],
        versions=json.loads(header["versions"]),
    )


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, str]) -> None:
    """A safetensors file whose header also carries the sha256 of all its content."""
    from safetensors.numpy import save

    tensors = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    header = {**header, "sha256": _digest(tensors, header)}
    write_atomically(path, save(tensors, metadata=header))


def load_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and header of a file that `save_arrays` wrote; raises CMT-601, 602 or 603."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CmtError(
            "CMT-601",
            f"cannot read checkpoint {path}: {error.strerror}",
            hint="a run keeps its checkpoints as OUT/last.safetensors and OUT/best.safetensors",
        ) from None
    size = int.from_bytes(data[:8], "little") if len(data) >= 8 else -1
    if size < 2 or data[8:9] != b"{":
        raise CmtError(
            "CMT-602", f"{path} is not a safetensors file", hint="give the path of a .safetensors file"
        )
    if size + 8 > len(data):
        raise CmtError(
            "CMT-603",
            f"{path} is truncated: its header needs {size + 8} bytes, it has {len(data)}",
            hint="copy it again, or use another checkpoint of the run",
        )
    try:
        header = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
        tensors = load(data)
    except (SafetensorError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise CmtError(
            "CMT-603",
            f"{path} is damaged: {error}",
            hint="copy it again, or use another checkpoint of the run",
        ) from None
    found = header.pop("sha256", None)
    if found is None:
        raise CmtError(
            "CMT-602",
            f"{path} is a safetensors file, but not a checkpoint of this project",
            hint="weights of another project need a conversion first",
        )
    if found != _digest(tensors, header):
        raise CmtError(
            "CMT-603",
            f"{path} is damaged: its content does not match its checksum",
            hint="copy it again, or use another checkpoint of the run",
        )
    return tensors, header


def _digest(tensors: Mapping[str, np.ndarray], header: Mapping[str, str]) -> str:
    """sha256 of header and tensors: names, types, shapes and bytes, in sorted order."""
    total = hashlib.sha256(json.dumps(sorted(header.items())).encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(json.dumps([name, value.dtype.str, list(value.shape)]).encode())
        total.update(value.tobytes())
    return total.hexdigest()
