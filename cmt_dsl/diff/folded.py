"""Changes as few lines: what is the same for neighbouring blocks is said once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from cmt_dsl.diff.changes import Change

_INDEX = re.compile(r"(?<=\bblocks\.)\d+(?=\.|$)")


def folded_paths(paths: Iterable[str]) -> list[str]:
    """Paths that differ in the number of their block alone, as `stages.2.blocks.0–15.attn`."""
    numbers: dict[str, list[int]] = {}
    for path in paths:
        found = _INDEX.search(path)
        pattern = _INDEX.sub("{}", path, count=1) if found else path
        numbers.setdefault(pattern, []).extend([int(found.group())] if found else [])
    return [pattern.replace("{}", _ranges(of)) if of else pattern for pattern, of in numbers.items()]


def folded(changes: Sequence[Change]) -> list[tuple[str, str, Any, Any]]:
    """(paths folded, attribute, value in A, value in B), in the order of first appearance."""
    groups: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in changes:
        stage_of = _INDEX.sub("{}", change.path, count=1)
        a, b = (_INDEX.sub("{}", repr(value), count=0) for value in (change.a, change.b))
        groups.setdefault((stage_of, change.attribute, a, b), []).append(change)
    return [
        (", ".join(folded_paths(c.path for c in group)), group[0].attribute, group[0].a, group[0].b)
        for group in groups.values()
    ]


def _ranges(numbers: list[int]) -> str:
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}–{p[-1]}" for p in parts)
