"""An imported recipe as a YAML file of ours, with the source of every value beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from runtime.recipe.mindcv.reading import Imported, Setting, steps
from runtime.recipe.schema import Recipe

WORD = re.compile(r"[A-Za-z]\w*\Z")
COLUMN = 44  # where comments begin, if the value leaves room


def written(found: Imported, recipe: Recipe) -> str:
    """YAML that reads back as `recipe`; groups and fields stand in the schema's order."""
    lines = [
        f"recipe: {_scalar(recipe.recipe)}",
        f"doc: {_scalar(f'imported from {Path(found.name).name}, a training file of MindCV')}",
        "# Beside each value: the key of that file it comes from, or who else says so.",
    ]
    for name, items in (("pending", recipe.pending), ("notes", recipe.notes)):
        if items:
            lines += [f"{name}:", *(f"  - {_scalar(item)}" for item in items)]
    tree: dict[str, Any] = {}
    for setting in found.settings:
        *groups, last = steps(setting.path)
        at = tree
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = setting
    for group, value in _ordered(tree, recipe.resolved()).items():
        lines += _lines(group, value, 0)
    return "\n".join(lines) + "\n"


def _ordered(tree: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """`tree` with its keys in the order of `like`, which has them all."""
    found = {key: tree[key] for key in like if key in tree}
    return {k: _ordered(v, like[k]) if isinstance(v, dict) else v for k, v in found.items()}


def _lines(key: str, value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    if isinstance(value, Setting):
        text = f"{indent}{key}: {_scalar(value.value)}"
        return [f"{text:<{COLUMN}} # {value.source}"]
    lines = [f"{indent}{key}:"]
    for name, below in value.items():
        lines += _lines(name, below, depth + 1)
    return lines


def _scalar(value: Any) -> str:
    """A value in YAML's flow form; words need quotes only where they could be read as something else."""
    words = ("true", "false", "null", "yes", "no", "on", "off")
    if isinstance(value, str) and WORD.match(value) and value.lower() not in words:
        return value
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
