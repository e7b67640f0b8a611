"""`extends`, `set`, `stage_defaults`, `--set`: how a model file becomes one tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import CmtError, SpecError, build, load
from cmt_dsl.errors import Place
from cmt_dsl.spec.edit import from_value, merge, parse_override, put, with_stage_defaults
from cmt_dsl.spec.tree import Map, plain, read_text

HERE = Place("set", 1, 1)


def tree(text: str) -> Map:
    found = read_text(text, "f.yaml")
    assert isinstance(found, Map)
    return found


def edited(text: str, path: str, value: Any) -> Any:
    return plain(put(tree(text), path, from_value(value, HERE), place=HERE))


def test_mappings_merge_and_lists_are_replaced() -> None:
    both = merge(tree("a: {x: 1, y: [1, 2]}\nb: 1"), tree("a: {y: [3], z: 4}\nc: 5"))
    assert plain(both) == {"a": {"x": 1, "y": [3], "z": 4}, "b": 1, "c": 5}


def test_put_by_path_and_index() -> None:
    text = "a: 1\nl: [{d: 1}, {d: 2}]"
    assert edited(text, "l.1.d", 9) == {"a": 1, "l": [{"d": 1}, {"d": 9}]}
    assert edited(text, "l.0", {"e": 1}) == {"a": 1, "l": [{"e": 1}, {"d": 2}]}
    assert edited(text, "new", [1]) == {"a": 1, "l": [{"d": 1}, {"d": 2}], "new": [1]}


def test_null_removes() -> None:
    assert edited("a: 1\nl: [1, 2, 3]", "l.1", None) == {"a": 1, "l": [1, 3]}
    assert edited("a: 1\nb: 2", "a", None) == {"b": 2}


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("l.2", "0 to 1"),
        ("l.-1", "0 to 1"),
        ("l.x", "0 to 1"),
        ("a.b", ""),
        ("q.b", ""),
        ("alpah.b", "alpha"),
        ("", "stages.2.depth"),
        ("a..b", "stages.2.depth"),
        (".".join("a" * 40), "stages.2.depth"),
    ],
)
def test_a_path_that_leads_nowhere(path: str, hint: str) -> None:
    with pytest.raises(CmtError) as caught:
        edited("a: 1\nalpha: {}\nl: [1, 2]", path, 3)
    (problem,) = caught.value.problems
    assert (problem.code, problem.place) == ("CMT-135", HERE)
    assert hint in problem.hint


def test_removing_what_is_not_there_is_a_mistake() -> None:
    with pytest.raises(CmtError) as caught:
        edited("depth: 1", "dept", None)
    assert caught.value.problems[0].hint == "did you mean 'depth'?"


def test_the_tree_given_is_left_alone() -> None:
    before = tree("l: [{d: 1}]")
    put(before, "l.0.d", from_value(2, HERE), place=HERE)
    assert plain(before) == {"l": [{"d": 1}]}


def test_stage_defaults_go_under_each_stage_and_null_takes_away() -> None:
    found = with_stage_defaults(
        tree(
            "stage_defaults: {block: b, args: {r: 1}, embed: {block: e}}\nstages: [{depth: 1}, {embed: ~, args: {r: 2}}]"
        )
    )
    assert plain(found) == {
        "stages": [
            {"block": "b", "args": {"r": 1}, "embed": {"block": "e"}, "depth": 1},
            {"block": "b", "args": {"r": 2}},
        ]
    }


def test_a_stage_of_runs_takes_no_block_from_the_defaults() -> None:
    found = with_stage_defaults(
        tree("stage_defaults: {block: b, depth: 2, args: {}}\nstages: [{blocks: [{block: c}]}]")
    )
    assert plain(found) == {"stages": [{"args": {}, "blocks": [{"block": "c"}]}]}


def test_set_reaches_through_stage_defaults() -> None:
    base = build(load("cmt_ti"))
    wider = load("cmt_ti", set={"stages.1.args.expansion": 2})
    assert wider.spec.stages[1].args["expansion"] == 2
    assert wider.spec.stages[0].args["expansion"] == 3.6
    assert wider.spec.stages[1].args["heads"] == 2
    assert build(wider).fingerprint != base.fingerprint


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("stages.2.depth=20", "stages.2.depth", 20),
        ("drop_path=1e-1", "drop_path", 0.1),
        ("a = no", "a", "no"),
        ("a=", "a", None),
        ("a={b: [1, 2]}", "a", {"b": [1, 2]}),
        ("a='1'", "a", "1"),
        ("a=b=c", "a", "b=c"),
    ],
)
def test_override_texts(text: str, path: str, value: object) -> None:
    found, parsed = parse_override(text)
    assert (found, plain(parsed)) == (path, value)


@pytest.mark.parametrize("text", ["depth", "=3", " =3", "a={", "a=!!str x", "a=*b"])
def test_bad_override_texts(text: str) -> None:
    with pytest.raises(CmtError) as caught:
        parse_override(text)
    assert caught.value.problems[0].place is not None


def test_overrides_equal_set() -> None:
    by_text = build(load("cmt_s", overrides=["stages.2.depth=3", "classes=10", "profile=mindcv"]))
    by_data = build(load("cmt_s", set={"stages.2.depth": 3, "classes": 10, "profile": "mindcv"}))
    assert by_text.fingerprint == by_data.fingerprint
    assert by_text.output.type.sizes == (10,)


def test_a_variant_in_five_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model: mine\nextends: cmt_s\nset:\n  stages.2.depth: 20\n  classes: 10\n")
    model = load(file)
    assert [stage.depth for stage in model.spec.stages] == [3, 3, 20, 3]
    assert (model.name, model.classes, model.lineage) == ("mine", 10, ("mine", "cmt_s"))


def test_a_stage_can_be_removed_and_the_head_too(tmp_path: Path) -> None:
    file = tmp_path / "body.yaml"
    file.write_text("model: body\nextends: cmt_ti\nset:\n  stages.3: null\n  head: null\n")
    graph = build(load(file))
    assert len(graph.stages) == 3
    assert graph.output.type.sizes == (184, 10, 10)


def test_extends_of_an_extension_by_path(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text("model: a\nextends: cmt_nano\nclasses: 4\n")
    (tmp_path / "sub/b.yaml").write_text("model: b\nextends: ../a.yaml\ndrop_path: 0.2\n")
    (tmp_path / "c.yaml").write_text("model: c\nextends: a\n")
    model = load(tmp_path / "sub/b.yaml")
    assert (model.classes, model.spec.drop_path) == (4, 0.2)
    assert model.lineage == ("b", "a", "cmt_nano", "cmt_ti")
    assert load(tmp_path / "c.yaml").classes == 4


def test_a_variant_value_follows_the_lineage(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model: mine\nextends: cmt_b\n")
    assert load(file).profile_values["head_dropout"] == 0.3


def test_cyclic_extends_names_the_circle(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"model: {name}\nextends: {other}\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "a.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "CMT-133"
    assert "a → b → c → a" in problem.message
    assert str(problem.place).endswith("c.yaml:2:10")


def test_a_model_that_extends_itself(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: a\nextends: a\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "a.yaml")
    assert caught.value.code == "CMT-133"


def test_a_long_chain_of_extends_ends(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / f"m{i}.yaml").write_text(f"model: m{i}\nextends: m{i + 1}\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "m0.yaml")
    assert caught.value.code == "CMT-133"


def test_an_error_in_a_base_stands_in_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: base\nextends: cmt_nano\nclases: 4\n")
    (tmp_path / "mine.yaml").write_text("model: mine\nextends: base\nclasses: no\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "mine.yaml")
    places = sorted(str(p.place).rsplit("/", 1)[-1] for p in caught.value.problems)
    assert places == ["base.yaml:3:1", "mine.yaml:3:10"]
