"""What a recipe asks of single cells: statistics that stay, activations that are computed twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from cmt_dsl.lower.mindspore.names import attribute
from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import nn  # noqa: E402


def freeze_norms(net: nn.Cell, paths: set[str] | None, names: dict[str, str]) -> None:
    """Let the batch norms whose weights are among `paths` (None: all) use, and keep, their running statistics.

    `names` is MindSpore's name to path. A flag of their own: `set_train` on the model would undo `set_train(False)`.
    """
    marked = []
    for name, cell in net.cells_and_names():
        held = isinstance(cell, nn.BatchNorm2d) and cell.gamma.name in names
        if held and (paths is None or names[cell.gamma.name] in paths):
            cell.use_batch_statistics = False
            marked.append(name)
    _apart(net, marked, "frozen")


def recompute(net: nn.Cell, blocks: Iterable[str]) -> None:
    """Keep only the inputs and outputs of `blocks` for the backward pass, and compute the rest again there.

    Batch norms are not computed again: that would move their running statistics twice. Counters of random numbers
    are not either (MindSpore leaves out what has side effects), so the numbers are the same.
    """
    wanted = {".".join(attribute(part) for part in path.split(".")) for path in blocks}
    found = {_bare(name): (name, cell) for name, cell in net.cells_and_names() if _bare(name) in wanted}
    for _, cell in found.values():
        cell.recompute()
        for _, inner in cell.cells_and_names():
            if isinstance(inner, nn.BatchNorm2d):
                inner.bn_train.recompute(False)
    _apart(net, [name for name, _ in found.values()], "recomputed")


def _bare(name: str) -> str:
    """A cell's name without what mixed precision put around it."""
    return ".".join(part for part in name.split(".") if part != "_backbone")


def _apart(net: Any, changed: list[str], what: str) -> None:
    """Give lazily inlined cells that hold a changed one a key of their own.

    Equal keys share one compiled graph, the first one's; what is changed in each is part of the key.
    """
    for name, cell in net.cells_and_names():
        inside = sorted(c[len(name) :] for c in changed if c == name or c.startswith(f"{name}."))
        if inside and getattr(cell, "cell_init_args", "").startswith("lazy_inline_"):
            digest = hashlib.sha256(" ".join(inside).encode()).hexdigest()[:12]
            cell.cell_init_args += f"_{what}_{digest}"
