"""Files of weights by container: what lies in them under the names they have there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError, did_you_mean
from runtime.array import Array
from runtime.checkpoint.container import NUMPY, read_container, read_header, tensor
from runtime.checkpoint.file import is_own
from runtime.checkpoint.formats.beside import averaged
from runtime.checkpoint.formats.inert import Inert, TensorRef
from runtime.checkpoint.formats.torchfile import read_torch
from runtime.checkpoint.kind import EXPORTED

USUAL = {
    "raw": ("model", "state_dict"),
    "ema": ("model_ema", "ema", "state_dict_ema", "model_ema_state_dict"),
}
"""Keys under which training scripts of PyTorch save the weights and the moving average of them."""


@dataclass(frozen=True)
class Found:
    """Tensors under the file's own names, and what was decided in reading them."""

    container: str
    arrays: dict[str, Array]
    notes: tuple[str, ...] = ()
    which: str = "raw"


def container(path: Path) -> str:
    """'native', 'safetensors', 'pth' or 'ckpt', from the first bytes; CMT-601 if it cannot be read, 603 if damaged."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CmtError("CMT-601", f"cannot read {path}: {why}") from None
    if path.suffix.lower() in EXPORTED and head[8:9] != b"{":
        raise CmtError(
            "CMT-632",
            f"{path} is an exported program: it computes, and its weights are not read back",
            hint=f"give the checkpoint that it was made of; `cmt verify-export CKPT {path.name} --data DIR` compares the "
            "two image by image",
        )
    if head[8:9] == b"{":
        return "native" if is_own(read_header(path)) else "safetensors"
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        return "pth"
    if head[:1] == b"\x0a":
        return "ckpt"
    raise CmtError(
        "CMT-632",
        f"{path} is none of the files that can be read",
        hint="known: .pth of torch.save, .ckpt of MindSpore, .safetensors",
    )


def read_foreign(path: Path, which: str = "raw") -> Found:
    """The tensors of a foreign file; CMT-601 to 603, 630 to 632.

    `which` chooses among the state dicts of a `.pth`: "raw" (`model`, `state_dict`, or the only one), "ema" (by the
    names that training scripts use), or a key.
    """
    kind = container(path)
    if kind == "pth":
        return _pth(path, which)
    if kind == "ckpt":
        from runtime.checkpoint.formats.mindfile import read_mindspore

        return _one_of_two(path, kind, read_mindspore(path), which)
    return _one_of_two(path, "safetensors", _safetensors(path), which)


def _one_of_two(path: Path, kind: str, arrays: dict[str, Array], which: str) -> Found:
    """The weights of a file, or their averages, which lie beside them under names with a known prefix."""
    weights, averages = averaged(arrays)
    if which == "ema" and averages:
        return Found(kind, averages, ("took 'ema'; the file also holds raw",), which)
    if which != "raw":
        raise CmtError("CMT-632", f"{path} holds one set of weights and no '{which}'", hint="--weights raw")
    return Found(kind, weights, ("took 'raw'; the file also holds ema",) if averages else (), which)


def _pth(path: Path, which: str) -> Found:
    file = read_torch(path)
    content = file.content
    if not isinstance(content, dict):
        what = f"an object of {content.name}" if isinstance(content, Inert) else "no dict of tensors"
        raise CmtError("CMT-632", f"{path} holds {what}", hint="save the model's state_dict()")

    def is_weights(key: str, value: Any) -> bool:
        """A dict of tensors; objects among them are refused when it is chosen, not overlooked."""
        tensors = isinstance(value, dict) and bool(value) and all(
            isinstance(k, str) and isinstance(v, TensorRef | Inert) for k, v in value.items()
        )  # fmt: skip
        named = any(key in names for names in USUAL.values())
        return tensors and (named or any(isinstance(v, TensorRef) for v in value.values()))

    notes: list[str] = []
    key = which
    if is_weights("", content):
        chosen: dict[str, Any] = content
    else:
        choices = [key for key, value in content.items() if isinstance(key, str) and is_weights(key, value)]
        key = _choice(path, choices, which)
        others = [name for name in choices if name != key]
        if others:
            notes.append(f"took '{key}'; the file also holds {', '.join(others)}")
        chosen = content[key]
    for name, value in chosen.items():
        if isinstance(value, Inert):
            at = name if chosen is content else f"{key}.{name}"
            raise CmtError(
                "CMT-631",
                f"{path} is refused: its weights hold an object of {value.name[:100]!a} at {at[:100]!a}",
                hint="nothing of it was run; save the model's state_dict(), tensors alone",
            )
    arrays = file.arrays(chosen)
    if chosen is content:
        return _one_of_two(path, "pth", arrays, which)
    return Found("pth", arrays, tuple(notes), key)


def _choice(path: Path, choices: list[str], which: str) -> str:
    if which in choices:
        return which
    if not choices:
        raise CmtError(
            "CMT-632", f"{path} holds no dict of tensors alone", hint="save the model's state_dict()"
        )
    if which in USUAL:
        usual = [name for name in USUAL[which] if name in choices]
        if usual or (which == "raw" and len(choices) == 1):
            return (usual or choices)[0]
        if which == "raw":
            message = f"{path} holds several sets of weights"
            raise CmtError("CMT-632", message, hint="--weights " + " or ".join(choices))
    hint = did_you_mean(which, choices) or "it holds " + ", ".join(choices)
    raise CmtError("CMT-632", f"{path} holds no weights called '{which}'", hint=hint)


def _safetensors(path: Path) -> dict[str, Array]:
    """Every tensor as a view of one buffer; bfloat16 as float32; CMT-630 for a type that is no weight's."""
    header, data = read_container(path)
    arrays = dict[str, Array]()
    for name, entry in header.entries.items():
        if entry.dtype == "BF16":
            halves = data[entry.start : entry.end].view("<u2").astype(np.uint32)
            arrays[name] = (halves << 16).view(np.float32).reshape(entry.shape)
        elif entry.dtype in NUMPY:
            arrays[name] = tensor(data, entry)
        else:
            raise CmtError(
                "CMT-632", f"{path}: '{name[:60]}' is of type {entry.dtype}, which is not read here"
            )
    return arrays
