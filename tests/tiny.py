"""Small models as text, for tests that are about one thing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cmt_dsl import Graph, build, load_text
from cmt_dsl.spec import names

ROOT = Path(__file__).resolve().parent.parent
PICO = str(ROOT / "tests/pico.yaml")
"""A CMT that compiles in a quarter of a minute."""
ATOM = str(ROOT / "tests/atom.yaml")
"""What compiles in seconds and has all that a run treats in ways of its own: norms, drop path, dropout, stages."""
MODELS = names("models")
PROFILES = names("profiles")

HEAD = """\
model: tiny
input: {channels: 3, size: 8}
classes: 2
profile: official
drop_path: 0.0
"""


def model_of(nodes: str, *, block: str = "", stage: str = "depth: 1", head: str = HEAD) -> str:
    """A model of one stage with one block `b`; `nodes` are the lines below `nodes:`, `block` its other keys."""
    lines = [head.rstrip(), "stages:", f"  - {{block: b, {stage}}}", "blocks:", "  b:", "    block: b"]
    lines += [f"    {line}" for line in block.splitlines()]
    lines += ["    nodes:", *(f"      - {line}" for line in nodes.splitlines())]
    return "\n".join(lines) + "\n"


def graph_of(nodes: str, **options: str) -> Graph:
    return build(load_text(model_of(nodes, **options)))


def changed(text: str, edits: Mapping[str, Any]) -> Graph:
    return build(load_text(text, set=dict(edits)))


def as_yaml(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False)
