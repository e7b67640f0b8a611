"""Which device computes in which precision."""

from __future__ import annotations

from cmt_dsl.errors import CmtError

WHY = "bfloat16 does not run on the CPU: MindSpore has no bfloat16 convolution there"
HINT = "--set device.amp_dtype=float16 with a device.loss_scale, or --set device.amp=O0"


def computes(level: str, dtype: str, target: str) -> bool:
    """Whether the device `target` computes in `dtype` at an amp level."""
    return level == "O0" or dtype != "bfloat16" or target != "CPU"


def require_precision(level: str, dtype: str, target: str) -> None:
    """CMT-804 unless it does."""
    if not computes(level, dtype, target):
        raise CmtError("CMT-804", WHY, path="device.amp_dtype", hint=HINT)
