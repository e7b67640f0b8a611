"""`cmt optimise`, and the folded model in `draw` and `diff`: what a user reads, at 80 columns and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmt_dsl.passes import FORMS
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, saved


def test_rules_and_figures_fit_the_terminal() -> None:
    done = cmt("optimise", "cmt_nano")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    lines = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.strip()}
    before, after = (int(text.replace(",", "")) for text in lines["nodes"])
    assert before > after
    assert int(lines["parameters"][0].replace(",", "")) > int(lines["parameters"][1].replace(",", ""))
    assert lines["fold-norm"][0] == "9"
    assert "--explain" in done.out


def test_explained_every_place_is_named_once_and_refusals_have_reasons() -> None:
    told = cmt("optimise", "cmt_nano", "--explain").out
    found = cmt("optimise", "cmt_nano", "--json").json
    assert told.count("stages.1.blocks.0–1.ffn.norm1") >= 1
    for rule, counts in found["rules"].items():
        said = [each for each in found["outcomes"] if each["by"] == rule]
        assert counts == {"done": sum(o["done"] for o in said), "refused": sum(not o["done"] for o in said)}
    assert all(each["words"] for each in found["outcomes"])
    assert found["before"]["nodes"] > found["after"]["nodes"]


@pytest.mark.parametrize("flavour", FORMS)
def test_every_flavour_lists_its_own_rules(flavour: str) -> None:
    found = cmt("optimise", "cmt_nano", "--flavour", flavour, "--json").json
    assert list(found["rules"]) == list(dict.fromkeys(each.name for each in FORMS[flavour]))
    assert found["flavour"] == flavour


def test_a_checkpoint_is_folded_with_its_own_weights(tmp_path: Path) -> None:
    file = saved(tmp_path / "small.safetensors", checkpoint_of(SMALL))
    found = cmt("optimise", "small.safetensors", "--json", cwd=tmp_path)
    assert found.code == 0, found.err
    assert found.json["before"]["nodes"] >= found.json["after"]["nodes"]
    assert "no such" not in str(file)


def test_the_folded_model_is_drawn() -> None:
    whole = cmt("draw", "cmt_nano", "--level", "op").out
    folded = cmt("draw", "cmt_nano", "--level", "op", "--optimise").out
    assert "head.norm" in whole or "norm batch_norm" in whole
    assert len(folded.splitlines()) < len(whole.splitlines())
    page = cmt("draw", "cmt_nano", "--optimise", "--format", "html").out
    assert page.startswith("<!doctype html>") or page.lower().startswith("<!doctype html>")


def test_a_model_beside_what_it_is_folded_to() -> None:
    done = cmt("diff", "cmt_nano", "--optimise")
    assert done.code == 0
    assert "cmt_nano → cmt_nano, folded" in done.out
    assert "- head.norm" in done.out
    found = json.loads(cmt("diff", "cmt_nano", "--optimise", "--json").out)
    assert "head.norm" in found["removed"] and not found["equal"]
    assert cmt("diff", "cmt_nano", "cmt_nano", "--optimise", "--json").json["equal"]


def test_one_model_alone_needs_optimise() -> None:
    done = cmt("diff", "cmt_nano")
    assert done.code == 2 and "--optimise" in done.err
