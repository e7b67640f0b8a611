"""What a recipe asks of single cells: statistics that stay, activations that are computed twice."""

from __future__ import annotations

from collections.abc import Iterable

from cmt_dsl.lower.mindspore.names import attribute
from cmt_dsl.lower.mindspore.private import bare, keep_apart, normalise_once
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
    found = {bare(name): (name, cell) for name, cell in net.cells_and_names() if bare(name) in wanted}
    for _, cell in found.values():
        cell.recompute()
        for _, inner in cell.cells_and_names():
            if isinstance(inner, nn.BatchNorm2d):
                normalise_once(inner)
    _apart(net, [name for name, _ in found.values()], "recomputed")


def _apart(net: nn.Cell, changed: list[str], what: str) -> None:
    """Give cells that hold a changed one a compiled graph of their own."""
    for name, cell in net.cells_and_names():
        inside = [c[len(name) :] for c in changed if c == name or c.startswith(f"{name}.")]
        if inside:
            keep_apart(cell, inside, what)
