"""Paths of parts, nodes and parameters: words joined by dots, `stages.2.blocks.4.attn.q.weight`.

A word and the number that follows belong together, in the names of other projects too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

GraphLevel = Literal["model", "stage", "block", "op"]
"""How deep a model is shown."""
WeightLevel = Literal["stage", "block", "param"]
"""How deep weights are."""


def above(path: str) -> list[str]:
    """The paths that `path` lies below, innermost first."""
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(len(parts) - 1, 0, -1)]


def below(path: str, part: str) -> bool:
    """Whether `path` is `part` or lies in it: stages.1.embed in stages.1, but stages.10 not."""
    return path == part or path.startswith(f"{part}.")


def stage_of(name: str) -> str:
    """`stages.2.blocks.4.attn.q.weight` is of `stages.2`, `stem.conv1.weight` of `stem`."""
    return ".".join(_groups(name)[:1])


def block_of(name: str) -> str:
    """`stages.2.blocks.4.attn.q.weight` is of `stages.2.blocks.4`, `stem.conv1.weight` of `stem`."""
    groups = _groups(name)
    return ".".join(groups[: 2 if "." in groups[0] else 1])


def block_numbers(path: str) -> tuple[int, int] | None:
    """(stage, block) of a path that is a block of a stage or lies in one, counted from 0; else None."""
    words = path.split(".")
    if len(words) < 4 or words[0] != "stages" or words[2] != "blocks":
        return None
    return (int(words[1]), int(words[3])) if words[1].isdigit() and words[3].isdigit() else None


def is_block(path: str) -> bool:
    """Whether `path` is a block of a stage, and not something in one."""
    return block_numbers(path) is not None and path.count(".") == 3


def depths(paths: Iterable[str]) -> dict[int, int]:
    """Number of blocks by stage, as paths tell."""
    found: dict[int, int] = {}
    for numbers in map(block_numbers, paths):
        if numbers is not None:
            stage, block = numbers
            found[stage] = max(found.get(stage, 0), block + 1)
    return found


def _groups(name: str) -> list[str]:
    """The words of a name, each with the number after it; the last word, the parameter's own, stands alone."""
    groups: list[str] = []
    for word in name.split("."):
        if word.isdigit() and groups and "." not in groups[-1]:
            groups[-1] += f".{word}"
        else:
            groups.append(word)
    return groups
