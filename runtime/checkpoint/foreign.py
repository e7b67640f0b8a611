"""Files of weights by container: what lies in them under the names they have there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError, did_you_mean

DISTRIBUTED = "module."
"""What PyTorch's data-parallel wrapper puts before every name."""


@dataclass(frozen=True)
class Found:
    """Tensors under the file's own names, and what was decided in reading them."""

    container: str
    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...] = field(default=())


def container(path: Path) -> str:
    """'native', 'safetensors', 'pth' or 'ckpt', from the first bytes; CMT-601 if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
            if head[8:9] == b"{":
                header = file.read(min(int.from_bytes(head[:8], "little"), 1 << 16))
                return "native" if b'"cmt-dsl checkpoint"' in header else "safetensors"
    except OSError as error:
        raise CmtError("CMT-601", f"cannot read {path}: {error.strerror}") from None
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        return "pth"
    if head[:1] == b"\x0a":
        return "ckpt"
    raise CmtError(
        "CMT-632",
        f"{path} is none of the files that can be read",
        hint="known: .pth of torch.save, .ckpt of MindSpore, .safetensors",
    )


def read_foreign(path: Path, which: str | None = None) -> Found:
    """The tensors of a foreign file; `which` chooses one of several state dicts in a `.pth`. CMT-601, 630 to 632."""
    kind = container(path)
    if which is not None and kind != "pth":
        raise CmtError("CMT-632", f"{path} holds one set of weights; '{which}' chooses among those of a .pth")
    if kind == "pth":
        return _pth(path, which)
    if kind == "ckpt":
        from runtime.checkpoint.mindfile import read_mindspore

        return Found(kind, read_mindspore(path))
    return Found("safetensors", _safetensors(path))


def _pth(path: Path, which: str | None) -> Found:
    from runtime.checkpoint.inert import TensorRef
    from runtime.checkpoint.torchfile import read_torch

    file = read_torch(path)
    content = file.content
    if not isinstance(content, dict):
        raise CmtError("CMT-632", f"{path} holds no dict of tensors", hint="save the model's state_dict()")

    def is_weights(value: Any) -> bool:
        return isinstance(value, dict) and bool(value) and all(
            isinstance(k, str) and isinstance(v, TensorRef) for k, v in value.items()
        )  # fmt: skip

    notes: list[str] = []
    if is_weights(content):
        if which is not None:
            raise CmtError("CMT-632", f"{path} is one bare state dict and has no '{which}'")
        chosen: dict[str, TensorRef] = content
    else:
        choices = [key for key, value in content.items() if isinstance(key, str) and is_weights(value)]
        key = _choice(path, choices, which)
        others = [name for name in choices if name != key]
        if others and which is None:
            notes.append(f"took '{key}'; the file also holds {', '.join(others)} (--weights)")
        chosen = content[key]
    arrays = file.arrays(chosen)
    if all(name.startswith(DISTRIBUTED) for name in arrays):
        arrays = {name.removeprefix(DISTRIBUTED): value for name, value in arrays.items()}
        notes.append(f"took the prefix '{DISTRIBUTED}' off every name")
    return Found("pth", arrays, tuple(notes))


def _choice(path: Path, choices: list[str], which: str | None) -> str:
    if which is not None:
        if which in choices:
            return which
        hint = did_you_mean(which, choices)
        raise CmtError("CMT-632", f"{path} holds no weights called '{which}'", hint=hint)
    usual = [name for name in ("model", "state_dict") if name in choices]
    if usual or len(choices) == 1:
        return (usual or choices)[0]
    if choices:
        raise CmtError(
            "CMT-632", f"{path} holds several sets of weights", hint="--weights " + " or ".join(choices)
        )
    raise CmtError("CMT-632", f"{path} holds no dict of tensors alone", hint="save the model's state_dict()")


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise CmtError("CMT-630", f"{path} is damaged: {str(error)[:160]}", hint="copy it again") from None
