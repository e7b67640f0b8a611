"""What MindSpore reads of a kernel's gradient: from the inputs, the output and its slope to the slopes of the inputs.

They belong to the primitives, not to Cells around them: a Cell's own `bprop` is not seen as part of the backward pass
where a block is recomputed, and MindSpore then makes a graph that waits for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _of_gelu(gradient: Any) -> Any:
    def bprop(x: Any, out: Any, dout: Any) -> Any:
        return (gradient(x, dout),)

    return bprop


def _of_depthwise(gradient: Any) -> Any:
    def bprop(x: Any, weight: Any, bias: Any, out: Any, dout: Any) -> Any:
        dx, dweight, dbias = gradient(x, weight, dout)
        return dx, dweight, dbias

    return bprop


def _of_norm(gradient: Any) -> Any:
    def bprop(x: Any, gamma: Any, beta: Any, eps: Any, out: Any, dout: Any) -> Any:
        dx, dgamma, dbeta = gradient(x, gamma, eps, dout)
        return dx, dgamma, dbeta, eps  # which is a constant

    return bprop


BACKWARD: dict[str, Callable[[Any], Any]] = {
    "gelu": _of_gelu,
    "depthwise": _of_depthwise,
    "channel": _of_norm,
}
"""By the first word of a kernel's name: its `bprop` by the primitive that computes the gradient."""
