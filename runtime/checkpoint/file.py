"""Checkpoints: one safetensors file with canonical names and everything needed to use it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.atomic import write_atomically
from runtime.checkpoint.container import NUMPY, Header, damaged, encode, read_container, read_header, tensor

FORMAT = 1
KIND = "cmt-dsl checkpoint"
AVERAGED = "ema:"
"""Before the path of an averaged weight."""
OWN_KINDS = "cmt-dsl "
"""What the kinds of all files that `save_arrays` writes begin with."""
SEAL = b'{"__metadata__":{"sha256":"'
"""How the header of such a file begins; the SHA-256 of all other bytes of the file follows, as 64 digits."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights by canonical name, and where they come from. `spec_text` alone rebuilds the model."""

    arrays: dict[str, Array]
    spec_text: str
    fingerprint: str
    classes: tuple[str, ...]
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    epoch: int
    step: int
    source: str
    versions: dict[str, str] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    """How it was made, where not by training: {"by": "cmt average", "from": […], …}."""
    ema: dict[str, Array] | None = None

    def weights(self, which: str = "raw") -> dict[str, Array]:
        """The "raw" weights, or the "ema" of them; CMT-806 if the run kept no average, CMT-632 for another word."""
        if which == "raw":
            return self.arrays
        if which != "ema":
            raise CmtError(
                "CMT-632", f"a checkpoint holds no weights called '{which}'", hint="--weights raw or ema"
            )
        if self.ema is None:
            raise CmtError(
                "CMT-806",
                "the checkpoint holds no averaged weights: its run kept none",
                hint="use its raw weights, or train with train.ema",
            )
        return self.ema

    @property
    def sets(self) -> dict[str, dict[str, Array]]:
        """Every set of weights it holds, by name."""
        return {"raw": self.arrays, **({} if self.ema is None else {"ema": self.ema})}


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write atomically: after a crash at any moment `path` holds the old file or the new one. CMT-606 on failure."""
    header = {
        "kind": KIND,
        "format": str(FORMAT),
        "spec": checkpoint.spec_text,
        "fingerprint": checkpoint.fingerprint,
        "classes": json.dumps(checkpoint.classes, ensure_ascii=False),
        "recipe": json.dumps(checkpoint.recipe),
        "metrics": json.dumps(checkpoint.metrics),
        "epoch": str(checkpoint.epoch),
        "step": str(checkpoint.step),
        "source": checkpoint.source,
        "versions": json.dumps(checkpoint.versions),
        "origin": json.dumps(checkpoint.origin, ensure_ascii=False),
    }
    averaged = {AVERAGED + path: value for path, value in (checkpoint.ema or {}).items()}
    save_arrays(path, {**checkpoint.arrays, **averaged}, header)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and verify; raises CMT-601, 602, 603 or 605. The arrays share one buffer."""
    arrays, header = load_arrays(path)
    if header.get("kind") != KIND:
        raise CmtError(
            "CMT-602",
            f"{path} is no checkpoint, but a {header.get('kind', 'file of unknown kind')}",
            hint="a run keeps its checkpoints as OUT/last.safetensors and OUT/best.safetensors",
        )
    take = _Fields(Path(path), header)
    if take.number("format") > FORMAT:
        raise CmtError(
            "CMT-605",
            f"{path} has checkpoint format {header['format']}, this version reads {FORMAT}",
            hint="upgrade cmt-dsl",
        )
    ema = {n.removeprefix(AVERAGED): a for n, a in arrays.items() if n.startswith(AVERAGED)}
    return Checkpoint(
        arrays={n: a for n, a in arrays.items() if not n.startswith(AVERAGED)},
        ema=ema or None,
        spec_text=take.text("spec"),
        fingerprint=take.text("fingerprint"),
        classes=tuple(take.json("classes", list)),
        recipe=take.json("recipe", dict),
        metrics=take.json("metrics", dict),
        epoch=take.number("epoch"),
        step=take.number("step"),
        source=take.text("source"),
        versions=take.json("versions", dict),
        origin=take.json("origin", dict) if "origin" in header else {},
    )


def save_arrays(path: str | Path, arrays: Mapping[str, Array], header: Mapping[str, str]) -> None:
    """A safetensors file whose header begins with the SHA-256 of all its other bytes; CMT-606."""
    text, pieces = encode(arrays, {"sha256": "0" * 64, **header})
    digest = _digest(text, pieces).encode()
    text = SEAL + digest + text[len(SEAL) + 64 :]
    write_atomically(path, len(text).to_bytes(8, "little"), text, *pieces)


def load_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays and header of a file that `save_arrays` wrote; raises CMT-601, 602 or 603.

    No byte can differ from what was written. The arrays are views of one buffer, the only copy made.
    """
    path = Path(path)
    require_own(read_header(path), path)  # before a foreign file, however large, is read
    header, data = read_container(path)
    if header.metadata.get("sha256") != _digest(header.text, [data]):
        raise damaged(path, "its content does not match its checksum")
    arrays = {name: tensor(data, entry) for name, entry in header.entries.items() if entry.dtype in NUMPY}
    if len(arrays) != len(header.entries):
        raise damaged(path, "it has tensors of types that no checkpoint has")
    return arrays, {key: value for key, value in header.metadata.items() if key != "sha256"}


def is_own(header: Header) -> bool:
    """Whether the file says that this project wrote it."""
    return header.text.startswith(SEAL) or header.metadata.get("kind", "").startswith(OWN_KINDS)


def require_own(header: Header, path: Path) -> None:
    """CMT-602 for a file of another project, CMT-603 for one of ours that something else has rewritten."""
    if not is_own(header):
        raise CmtError(
            "CMT-602",
            f"{path} is a safetensors file, but not a checkpoint of this project",
            hint="weights of another project need a conversion first",
        )
    if header.text.startswith(SEAL):
        return
    raise damaged(
        path, "its header was altered or rewritten by another program, its checksum is not in place"
    )


def _digest(text: bytes, pieces: list[Array]) -> str:
    """SHA-256 of a whole file, the digits of the digest in its header left out."""
    total = hashlib.sha256(len(text).to_bytes(8, "little"))
    total.update(text[: len(SEAL)])
    total.update(text[len(SEAL) + 64 :])
    for piece in pieces:
        total.update(piece.data)
    return total.hexdigest()


@dataclass(frozen=True)
class _Fields:
    """Fields of a header whose checksum is good; one that does not hold what it should is CMT-603 all the same."""

    path: Path
    header: Mapping[str, str]

    def text(self, name: str) -> str:
        return self._take(name, str)

    def number(self, name: str) -> int:
        return self._take(name, int)

    def json(self, name: str, kind: type) -> Any:
        value = self._take(name, json.loads)
        if not isinstance(value, kind):
            raise damaged(self.path, f"its header's '{name}' is of the wrong kind")
        return value

    def _take(self, name: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(self.header[name])
        except (KeyError, ValueError, RecursionError):
            raise damaged(self.path, f"its header has no readable '{name}'") from None
