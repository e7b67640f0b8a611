"""Differences of plain data by dotted path; lists of named entries are compared by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

UNSAID = {"doc", "model"}
"""Keys that change nothing."""


def changes_of(
    a: Any, b: Any, path: str = "", *, unsaid: Collection[str] = UNSAID
) -> Iterator[tuple[str, str, Any, Any]]:
    """(path above, last key, value in A, value in B) for each value that differs; None is absent, `unsaid` keys are passed over."""
    left, right = _entries(a), _entries(b)
    if left is None or right is None:
        if a != b or isinstance(a, bool) != isinstance(b, bool):
            above, _, key = path.rpartition(".")
            yield above, key, a, b
        return
    for key in [*left, *(key for key in right if key not in left)]:
        below = f"{path}.{key}" if path else key
        if key in unsaid:
            continue
        if key in left and key in right:
            yield from changes_of(left[key], right[key], below, unsaid=unsaid)
        else:
            yield path, key, left.get(key), right.get(key)
    if _named(a) and _named(b) and list(left) != list(right) and sorted(left) == sorted(right):
        yield path, "order", list(left), list(right)


def _entries(data: Any) -> dict[str, Any] | None:
    """The data as entries by key, or None for a single value."""
    if isinstance(data, dict):
        return {str(key): value for key, value in cast("dict[Any, Any]", data).items()}
    if not isinstance(data, list):
        return None
    items = cast("list[Any]", data)
    if _named(items):
        return {str(key): value for item in items for key, value in item.items()}
    if items and all(isinstance(item, dict) for item in items):
        return {str(i): item for i, item in enumerate(items)}
    return None


def _named(data: Any) -> bool:
    """Whether data is a list like `nodes:`, of mappings with one key each."""
    items = cast("list[Any]", data) if isinstance(data, list) else []
    return bool(items) and all(isinstance(i, dict) and len(cast("dict[Any, Any]", i)) == 1 for i in items)
