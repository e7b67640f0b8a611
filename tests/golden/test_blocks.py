"""Each shipped block, expanded alone in a tiny model, as a text that people can check against the paper."""

from __future__ import annotations

import pytest

from cmt_dsl import Graph, build, load_text
from cmt_dsl.ir import text
from cmt_dsl.spec import names
from tests.golden.files import compare

MODEL = """\
model: alone
input: {{channels: 8, size: 8}}
classes: 10
profile: {profile}
drop_path: 0.1
stages:
  - block: {block}
    depth: 1
    args: {{{args}}}
"""
ARGS = {
    "cbam": "ratio: 4",
    "cmt": "heads: 2, reduction: 2, expansion: 3.6",
    "cmt_head": "width: 16, dropout: 0.1",
    "cmt_head_fc": "width: 16, dropout: 0.1",
    "conv_stem": "width: 16",
    "eca": "",
    "irffn": "expansion: 3.6",
    "lmhsa": "heads: 2, reduction: 2",
    "lpu": "",
    "patch_embed": "width: 16",
    "se": "ratio: 4",
}


def alone(block: str, profile: str = "official") -> Graph:
    return build(load_text(MODEL.format(block=block, args=ARGS[block], profile=profile)))


@pytest.mark.parametrize("block", names("blocks"))
def test_block(block: str) -> None:
    assert block in ARGS, "a new block: give it arguments here"
    compare(f"blocks/{block}.txt", text(alone(block), "stages.0.blocks.0"))


def test_attention_under_the_paper_has_a_bias_of_its_own() -> None:
    compare("blocks/lmhsa.paper.txt", text(alone("lmhsa", "paper"), "stages.0.blocks.0"))
