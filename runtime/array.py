"""Arrays as the runtime hands them on; NumPy is loaded by who makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"
"""Of any type and shape; docstrings tell them, as in: images [n, c, h, w] float32."""

Arrays: TypeAlias = "dict[str, Array]"
"""By name or path."""
