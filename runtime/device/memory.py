"""Whether a training step fits this machine's memory, before the kernel decides it."""

from __future__ import annotations

import os

from cmt_dsl import Graph, cost

BASE = 0.8 * 2**30  # MindSpore itself
KEPT = 2.0  # measured on CMT-S, batch 8, on the CPU: outputs, saved derivatives and gradients
PER_PARAMETER = 16  # weight, gradient and two moments in float32


def step_bytes(graph: Graph, batch: int) -> float:
    """Estimated peak resident bytes of training with `batch` images on the CPU."""
    total = cost(graph).total
    return BASE + KEPT * batch * total.activations + PER_PARAMETER * total.trainable


def warning(graph: Graph, batch: int) -> str | None:
    """A line for the user where the estimate exceeds the machine's memory."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not told on this system
        return None
    needed = step_bytes(graph, batch)
    if needed <= machine:
        return None
    fits = max(1, int(batch * (machine - BASE) / (needed - BASE) * 0.8))
    return (
        f"warning: a batch of {batch} takes about {needed / 2**30:.0f} GiB, this machine has "
        f"{machine / 2**30:.0f}: --set train.batch={fits}"
    )
