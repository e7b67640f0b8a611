"""cmt verify: each kind of difference, its block, its line in the spec, its cause."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import Checkpoint, load_checkpoint
from runtime.checkpoint.verify import Verdict, verify
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, saved

WHOLE = checkpoint_of()
NAMES = list(WHOLE.arrays)


def of(tmp_path: Path, arrays: dict[str, np.ndarray] | None = None, **fields: Any) -> Path:
    whole = WHOLE if arrays is None else replace(WHOLE, arrays=arrays)
    return saved(tmp_path / "x.safetensors", replace(whole, **fields))


def kinds(found: Verdict) -> dict[str, dict[str, int]]:
    return {group.block: dict(group.counts) for group in found.groups}


def line_of(path: Path, place: Any) -> str:
    """The text at a `<checkpoint>` place, from its column on."""
    assert place.file == "<checkpoint>"
    return load_checkpoint(path).spec_text.splitlines()[place.line - 1][place.column - 1 :]


def test_a_good_one(tmp_path: Path) -> None:
    found = verify(of(tmp_path))
    assert found.good and found.tensors == 219 and not found.causes
    assert found == verify(of(tmp_path), "cmt_nano")


def test_each_kind_stands_at_its_block_and_line(tmp_path: Path) -> None:
    arrays = {name: value.copy() for name, value in WHOLE.arrays.items()}
    del arrays["stages.1.blocks.0.attn.q.weight"], arrays["stages.1.blocks.0.attn.q.bias"]
    arrays["stages.1.blocks.1.more"] = np.zeros((2, 3), np.float32)
    arrays["stages.7.blocks.0.w"] = np.zeros(1, np.float32)
    arrays["stem.conv2.bias"] = np.zeros(17, np.float32)
    arrays["stages.2.embed.norm.weight"] = arrays["stages.2.embed.norm.weight"].astype(np.float16)
    arrays["head.fc.weight"][3, :7] = np.nan
    path = of(tmp_path, arrays)
    found = verify(path)
    assert not found.good
    assert kinds(found) == {
        "stem": {"shape": 1},
        "stages.1.blocks.0": {"missing": 2},
        "stages.1.blocks.1": {"unexpected": 1},
        "stages.2.embed": {"dtype": 1},
        "head": {"non-finite": 1},
        "stages.7.blocks.0": {"unexpected": 1},
    }
    lines = {group.block: line_of(path, group.place) for group in found.groups}
    assert (
        lines["stem"] == "conv_stem"
        and lines["head"] == "$profile.head"
        and lines["stages.2.embed"] == "patch_embed"
    )
    assert lines["stages.1.blocks.0"] == lines["stages.1.blocks.1"] == "cmt"
    messages = {d.path: d.message for group in found.groups for d in group.differences}
    assert messages["stem.conv2.bias"] == "[17] in the checkpoint, [16] in the spec"
    assert messages["head.fc.weight"] == "7 of 2560 numbers are NaN or Inf"
    assert "float16" in messages["stages.2.embed.norm.weight"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.sampled_from(["drop", "shape", "type", "nan", "rename"]), max_size=8
    )
)
def test_exactly_what_was_changed_is_named(tmp_path: Path, edits: dict[str, str]) -> None:
    arrays = dict(WHOLE.arrays)
    wanted: set[tuple[str, str]] = set()
    for name, edit in edits.items():
        value = arrays.pop(name)
        if edit == "shape":
            arrays[name], expected = np.append(value, value).astype(np.float32), {("shape", name)}
        elif edit == "type":
            arrays[name], expected = value.astype(np.float64), {("dtype", name)}
        elif edit == "nan":
            arrays[name], expected = (
                np.where(np.arange(value.size).reshape(value.shape), value, np.inf),
                set(),
            )
            arrays[name], expected = arrays[name].astype(np.float32), {("non-finite", name)}
        elif edit == "rename":
            arrays[name + "_"], expected = value, {("missing", name), ("unexpected", name + "_")}
        else:
            expected = {("missing", name)}
        wanted |= expected
    found = verify(of(tmp_path, arrays))
    assert {(d.kind, d.path) for group in found.groups for d in group.differences} == wanted


@pytest.mark.parametrize(
    ("edits", "path", "held", "wanted", "hint"),
    [
        (["classes=37"], "classes", 10, 37, "--set classes=10"),
        (["input.size=64"], "input.size", 32, 64, "position tables"),
        (["input.channels=1"], "input.channels", 3, 1, "--set input.channels=3"),
        (["stages.1.depth=3"], "stages.1.depth", 2, 3, "--set stages.1.depth=2"),
        (["stages.2.depth=1"], "stages.2.depth", 2, 1, "--set stages.2.depth=2"),
        (["profile=mindcv"], "profile", "official", "mindcv", "--set profile=official"),
        (["stages.0.args.expansion=2"], "stages.0.args.expansion", 3, 2, ""),
    ],
)
def test_the_cause_is_said(
    tmp_path: Path, edits: list[str], path: str, held: Any, wanted: Any, hint: str
) -> None:
    """Against a shipped model with --set, and against its own spec with --set: the same causes."""
    file = of(tmp_path)
    for spec in ("cmt_nano", None):
        found = verify(file, spec, edits)
        assert not found.good
        (cause,) = found.causes
        assert (cause.path, cause.held, cause.wanted) == (path, held, wanted)
        assert hint in cause.hint and bool(cause.hint) == bool(hint)


@pytest.mark.parametrize(
    ("fields", "path", "held", "wanted"),
    [
        ({"classes": 7}, "classes", 7, 10),
        ({"stages.1.depth": 4}, "stages.1.depth", 4, 2),
        ({"input.channels": 1}, "input.channels", 1, 3),
    ],
)
def test_shapes_alone_tell_the_cause_too(
    tmp_path: Path, fields: dict[str, Any], path: str, held: int, wanted: int
) -> None:
    """Weights of a variant under the spec of another, with nothing else to go by."""
    other: Checkpoint = checkpoint_of("cmt_nano", **fields)
    file = of(tmp_path, other.arrays)
    found = verify(file)
    assert (path, held, wanted) in [(c.path, c.held, c.wanted) for c in found.causes]
    place = next(c.place for c in found.causes if c.path == path)
    assert line_of(file, place) == str(wanted)


def test_places_of_a_file_of_the_user(tmp_path: Path) -> None:
    text = SMALL.replace("out: 3", "out: 4").replace("op: batch_norm", "op: batch_norm, eps: 0.5")
    (tmp_path / "mine.yaml").write_text(text)
    file = saved(tmp_path / "x.safetensors")
    found = verify(file, str(tmp_path / "mine.yaml"))
    (group,) = found.groups
    line = next(i for i, text in enumerate(text.splitlines(), 1) if "block: b," in text)
    assert group.place is not None and (group.place.line, group.counts) == (line, {"shape": 6})
    assert group.place.file.endswith("mine.yaml")


def test_what_computes_otherwise_is_a_difference(tmp_path: Path) -> None:
    """Every weight fits, but an epsilon and an activation do not: using them would give other numbers."""
    (tmp_path / "mine.yaml").write_text(SMALL.replace("op: batch_norm", "op: batch_norm, eps: 0.5"))
    found = verify(saved(tmp_path / "x.safetensors"), str(tmp_path / "mine.yaml"))
    (group,) = found.groups
    (difference,) = group.differences
    assert (difference.kind, difference.path) == ("operator", "stages.0.blocks.0.norm")
    assert difference.message == "eps 1e-05 in the checkpoint, 0.5 in the spec"


def test_another_input_size_that_changes_no_weight(tmp_path: Path) -> None:
    file = saved(tmp_path / "x.safetensors")
    found = verify(file, None, ["input.size=16"])
    assert kinds(found) == {"": {"model": 1}} and found.causes[0].path == "input.size"


def test_class_names_and_fingerprint_belong_to_it(tmp_path: Path) -> None:
    found = verify(of(tmp_path, classes=("a", "b"), fingerprint="0" * 64))
    (group,) = found.groups
    assert "2 class names, 10 classes" in group.differences[1].message
    assert "000000000000 was trained" in group.differences[0].message


@pytest.mark.parametrize("text", ["model: [", "model: m\n", "a: b\n", ""])
def test_a_spec_that_does_not_read_is_unreadable(tmp_path: Path, text: str) -> None:
    with pytest.raises(CmtError) as found:
        verify(of(tmp_path, spec_text=text))
    assert found.value.problems[0].place is None or found.value.problems[0].place.file == "<checkpoint>"
