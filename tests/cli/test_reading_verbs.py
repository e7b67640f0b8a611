"""list, check, show, cost, resolve, schema: numbers, exit codes, widths, pipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmt_dsl import build, cost, load, load_text
from cmt_dsl.spec.schema import BlockSpec, ModelFile, ProfileSpec
from tests.cli.cmt import cmt, process
from tests.tiny import MODELS, PROFILES


def test_check_names_what_is_fine() -> None:
    done = cmt("check", *MODELS)
    assert done.code == 0
    assert [line.split(":")[0] for line in done.out.splitlines()] == MODELS
    assert done.err == ""


def test_check_as_json() -> None:
    done = cmt("check", "cmt_nano", "cmt_ti", "--json")
    assert done.code == 0
    assert done.json["ok"] is True
    assert done.json["specs"][1]["fingerprint"] == build(load("cmt_ti")).fingerprint


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text("model: bad\nextends: cmt_nano\nclases: 10\nset:\n  stages.1.args.heads: 5\n")
    return file


def test_check_gives_every_problem_with_its_place_and_code_1(bad: Path) -> None:
    done = cmt("check", bad, cwd=bad.parent)
    assert (done.code, done.out) == (1, "")
    assert "bad.yaml:3:1: clases: unknown key 'clases' [CMT-110]\n  hint: did you mean 'classes'?" in done.err
    assert "bad.yaml:5:24: stages.1.args.heads: 48 channels do not split into 5 heads [CMT-201]" in done.err
    assert done.err.endswith("2 problems\n")


def test_check_of_several_goes_on_after_a_bad_one(bad: Path) -> None:
    done = cmt("check", bad, "cmt_nano", "--json")
    assert done.code == 1
    first, second = done.json["specs"]
    assert (first["ok"], second["ok"]) == (False, True)
    assert {(p["code"], p["line"], p["column"]) for p in first["problems"]} == {
        ("CMT-110", 3, 1),
        ("CMT-201", 5, 24),
    }
    assert all(p["file"].endswith("bad.yaml") for p in first["problems"])


def test_the_three_exit_codes_of_the_process(bad: Path) -> None:
    assert process("check", "cmt_nano").code == 0
    assert process("check", bad).code == 1
    assert process("cost", "cmt_sx").code == 2
    assert process("cost", bad).code == 2
    assert process("nonsense").code == 2


@pytest.mark.parametrize("verb", ["check", "show", "cost", "resolve", "compile"])
def test_a_name_that_does_not_exist_is_bad_input(verb: str) -> None:
    done = cmt(verb, "cmt_sx", *(["--emit", "-"] if verb == "compile" else []))
    assert done.code == 2
    assert "there is no model 'cmt_sx' [CMT-101]" in done.err
    assert "did you mean" in done.err
    assert done.out == ""


@pytest.mark.parametrize("verb", ["show", "cost", "resolve", "check"])
def test_a_bad_spec_as_json_is_json(verb: str, bad: Path) -> None:
    done = cmt(verb, bad, "--json")
    assert done.code in (1, 2)
    assert done.json["ok"] is False


@pytest.mark.parametrize(
    "args", [["nonsense"], ["cost"], ["cost", "cmt_s", "--nonsense"], ["show", "cmt_s", "--level", "x"]]
)
def test_wrong_usage_is_2(args: list[str]) -> None:
    assert cmt(*args).code == 2


@pytest.mark.parametrize("name", ["cmt_b", "cmt_nano"])
def test_cost_as_json_is_what_the_api_says(name: str) -> None:
    found = cmt("cost", name, "--json").json
    total = cost(build(load(name))).total
    assert found["params"] == {"trainable": total.trainable, "statistics": total.statistics}
    assert (found["macs"], found["activation_bytes"]) == (total.macs, total.activations)
    assert sum(part["macs"] for part in found["parts"].values()) == total.macs
    assert sum(part["params"]["trainable"] for part in found["parts"].values()) == total.trainable


def test_set_reaches_every_verb() -> None:
    args = ["--set", "profile=mindcv", "--set", "classes=10"]
    assert cmt("cost", "cmt_s", *args, "--json").json["params"]["trainable"] < 25_968_040
    assert cmt("check", "cmt_s", *args).out.endswith("[n, 10]\n")
    assert "form: tanh" in cmt("resolve", "cmt_s", *args).out
    assert "[n, 10]" in cmt("show", "cmt_s", *args).out


@pytest.mark.parametrize(
    "override", ["stages.9.depth=1", "depth", "stages.2.depth=-1", "stages.2.dept=3", "classes=!!x 1"]
)
def test_a_bad_override_is_explained(override: str) -> None:
    done = cmt("cost", "cmt_s", "--set", override)
    assert done.code == 2
    assert "[CMT-1" in done.err
    assert override in done.err or override.split("=")[0] in done.err


@pytest.mark.parametrize("level", ["model", "stage", "block", "op"])
def test_show_as_json_adds_up(level: str) -> None:
    found = cmt("show", "cmt_nano", "--level", level, "--json").json
    top = [
        row
        for row in found["rows"]
        if row["path"].count(".") == (1 if row["path"].startswith("stages") else 0)
    ]
    assert (
        sum(row["macs"] for row in top) == found["total"]["macs"] == cost(build(load("cmt_nano"))).total.macs
    )


def test_show_folds_equal_blocks() -> None:
    out = cmt("show", "cmt_s", "--level", "block", columns=160).out
    assert "×16" in out
    assert len(out.splitlines()) < 90


@pytest.mark.parametrize(
    "args",
    [["show", "cmt_b"], ["show", "cmt_b", "--level", "block"], ["show", "cmt_b", "--level", "op"],
     ["show", "example_parallel", "--level", "op"], ["cost", "cmt_b"], ["list"], ["list", "ops"]],
)  # fmt: skip
def test_80_columns_are_enough(args: list[str]) -> None:
    done = cmt(*args, columns=80)
    assert done.code == 0
    # the one sentence below the table of `cost` is left to the terminal to fold
    too_long = [line for line in done.out.splitlines() if len(line) > 80]
    assert not too_long


def test_a_pipe_that_closes_is_no_error() -> None:
    for args in (["show", "cmt_b", "--level", "op"], ["resolve", "cmt_b"], ["list"]):
        done = process(*args, pipe="head -1")
        assert done.err == ""
        assert done.out.count("\n") == 1


def test_list_has_everything_with_a_line_about_it() -> None:
    found = cmt("list", "--json").json
    assert set(found) == {"models", "blocks", "profiles", "recipes", "ops"}
    assert list(found["models"]) == MODELS
    assert list(found["profiles"]) == PROFILES
    assert "input" not in found["ops"]
    assert {"conv2d", "gelu", "parameter"} <= set(found["ops"])
    empty = [name for group in found.values() for name, doc in group.items() if not doc]
    assert not empty
    assert list(cmt("list", "models", "--json").json) == ["models"]


def test_resolve_is_a_spec_that_needs_no_other(tmp_path: Path) -> None:
    file = tmp_path / "whole.yaml"
    file.write_text(cmt("resolve", "cmt_nano").out)
    assert "extends" not in file.read_text()
    assert build(load(file)).fingerprint == build(load("cmt_nano")).fingerprint
    again = cmt("resolve", "cmt_nano", "--json").json
    assert build(load_text(again["spec"])).fingerprint == again["fingerprint"]


@pytest.mark.parametrize(
    ("kind", "model"), [("model", ModelFile), ("block", BlockSpec), ("profile", ProfileSpec)]
)
def test_schema_has_the_keys_that_files_may_have(kind: str, model: type) -> None:
    found = cmt("schema", kind).json
    assert found["$schema"].endswith("2020-12/schema")
    assert set(found["properties"]) == {f.alias or n for n, f in model.model_fields.items()}
    assert found["additionalProperties"] is False


def test_schema_of_recipes_and_of_models_by_default() -> None:
    assert "train" in cmt("schema", "recipe").json["properties"]
    assert cmt("schema").json == cmt("schema", "model").json


def test_works_from_any_folder(tmp_path: Path) -> None:
    assert process("check", "cmt_b", cwd=tmp_path).code == 0
