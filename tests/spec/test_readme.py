"""Every example of specs/README.md is a spec that builds, resolves and costs something."""

from __future__ import annotations

import re

import pytest

from cmt_dsl import SpecError, build, cost, load_text
from cmt_dsl.spec.find import shipped

TEXT = (shipped() / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
NAMES = [example.split("\n")[0].removeprefix("model: ") for example in EXAMPLES]


def test_there_is_an_example_for_every_feature() -> None:
    joined = "\n".join(EXAMPLES)
    for word in (
        "extends:",
        "set:",
        "stage_defaults:",
        "null",
        "blocks:",
        "let:",
        "when:",
        "repeat:",
        "shared:",
    ):
        assert word in joined, word
    for word in ("inputs:", "default:", "profile:", "variants", "choices", "optional"):
        assert word in TEXT, word


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_example_builds(example: str) -> None:
    model = load_text(example, "README.md")
    graph = build(model)
    assert cost(graph).total.trainable > 0
    assert build(load_text(model.resolved())).fingerprint == graph.fingerprint


def test_what_the_text_says_of_a_variant_holds() -> None:
    model = load_text(EXAMPLES[NAMES.index("tall_s")], "README.md")
    assert (model.input.height, model.input.width, model.classes) == (256, 192, 37)
    assert model.spec.stages[2].depth == 20
    assert [bool(stage.shared) for stage in model.spec.stages] == [True, True, True, False]
    assert model.spec.stages[0].args["expansion"] == 3.5


def test_what_the_text_says_of_when_and_repeat_holds() -> None:
    text = EXAMPLES[NAMES.index("with_own_block")]
    graph = build(load_text(text, "README.md"))
    assert "stages.0.blocks.0.local.1" in graph.by_path
    assert graph.by_path["stages.0.blocks.0.gated"].inputs[0] == "stages.0.blocks.0.act"
    once = build(load_text(text.replace("twice: true", "twice: false"), "README.md"))
    assert "stages.0.blocks.0.local.1" not in once.by_path
    assert once.by_path["stages.0.blocks.0.gated"].inputs[0] == "stages.0.blocks.0.local.0"


def test_the_front_page_shows_what_the_check_says() -> None:
    text = (shipped().parent / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    shown = re.search(r"\$ cmt check small.yaml\n(.*?)\n\n", text, flags=re.DOTALL)
    assert shown
    with pytest.raises(SpecError) as caught:
        load_and_build(example)
    assert str(caught.value).splitlines() == [line.removeprefix("    ") for line in shown[1].splitlines()]


def load_and_build(text: str) -> None:
    build(load_text(text, "small.yaml"))
