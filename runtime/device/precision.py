"""A Cell in mixed precision."""

from __future__ import annotations

from typing import Any

from runtime.device.environment import mindspore
from runtime.recipe.precision import require_precision


def in_precision(cell: Any, level: str, dtype: str = "float16") -> Any:
    """`cell` computing at an amp level; use the returned cell. Norms (O2), softmax and compiled kernels stay in float32.

    CMT-804 where the device cannot compute in `dtype`.
    """
    if level == "O0":
        return cell
    ms = mindspore()
    require_precision(level, dtype, ms.get_context("device_target"))
    mixed = ms.amp.auto_mixed_precision(cell, level, getattr(ms, dtype))
    for _, part in cell.cells_and_names():
        if isinstance(part, ms.nn.Softmax) or getattr(part, "by_kernel", False):
            part.to_float(ms.float32)
    return mixed
