"""The YAML reader: scalars of YAML 1.2, places, and one clear error for each hostile text."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cmt_dsl import CmtError, load
from cmt_dsl.errors import Place
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.tree import MAX_BYTES, Map, place_of, plain, read_text, scalar
from tests.bounded import bounded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("1.0e-6", 1e-6),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("no", "no"),
        ("off", "off"),
        ("yes", "yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("inf", "inf"),
        ("1e", "1e"),
        ("-", "-"),
        ("٣", "٣"),
        ("9" * 31, 1e31),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_quotes_and_blocks_make_strings() -> None:
    tree = read_text("a: '1'\nb: \"true\"\nc: >-\n  2\nd: 1\n", "f")
    assert plain(tree) == {"a": "1", "b": "true", "c": "2", "d": 1}


def test_every_value_and_key_knows_its_place() -> None:
    tree = read_text("a: 1\nlist:\n  - {x: 5,  y: [7, 8]}\n", "f.yaml")
    assert place_of(tree, ("a",)) == Place("f.yaml", 1, 4)
    assert place_of(tree, ("a",), key=True) == Place("f.yaml", 1, 1)
    assert place_of(tree, ("list", 0, "y", 1)) == Place("f.yaml", 3, 20)
    assert place_of(tree, ("list", 0, "y"), key=True) == Place("f.yaml", 3, 13)
    assert place_of(tree, ("list", 0, "nothing", 3)) == Place("f.yaml", 3, 5)


def test_anchors_and_aliases() -> None:
    assert plain(read_text("a: &one {x: 1}\nb: *one\nc: [*one, *one]\n", "f")) == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": [{"x": 1}, {"x": 1}],
    }


def test_bytes_order_mark_and_windows_lines() -> None:
    tree = read_text("a: 1\r\nb: 2\r\n", "f")
    assert place_of(tree, ("b",)) == Place("f", 2, 4)


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines)


HOSTILE = {
    "tag": ("a: !!python/object/apply:os.system [ls]", "CMT-104", 1, 4),
    "local tag": ("a: 1\nb: !secret x", "CMT-104", 2, 4),
    "standard tag": ("a: !!str 1", "CMT-104", 1, 4),
    "alias bomb": (bomb(), "CMT-106", 5, None),
    "deep flow": ("a: " + "[" * 200 + "]" * 200, "CMT-105", 1, 35),
    "deeper flow": ("[" * 100_000, "CMT-105", 1, 33),
    "deeper flow below a key": ("x: 1\na: " + "[" * 5_000, "CMT-105", 2, 35),
    "deeper flow of mappings": ("{a: " * 5_000, "CMT-105", 1, 129),
    "deeper flow beside quotes": ("a: [\"[[\", '[', # [\n" + "[" * 5_000, "CMT-105", 2, 31),
    "deep dashes": ("- " * 5_000, "CMT-105", 1, 65),
    "deep block": ("".join(" " * i + "a:\n" for i in range(200)), "CMT-105", 33, 33),
    "duplicate": ("a: 1\nb:\n  c: 1\n  c: 2", "CMT-107", 4, 3),
    "second document": ("a: 1\n---\nb: 2", "CMT-103", 2, 1),
    "tabs": ("a:\n\tb: 1", "CMT-103", 2, 1),
    "open bracket": ("a: [1, 2\nb: 3", "CMT-103", 2, 2),
    "open quote": ('a: "x', "CMT-103", 1, 6),
    "unknown alias": ("a: *b", "CMT-103", 1, 4),
    "recursive alias": ("a: &a [*a]", "CMT-103", 1, 8),
    "merge key": ("a: &a {x: 1}\nb:\n  <<: *a", "CMT-103", 3, 3),
    "list as key": ("? [a]\n: 1", "CMT-103", 1, 3),
    "control character": ("a: \x07", "CMT-103", 1, 1),
    "too many values": ("a: [" + "1, " * 60_000 + "]", "CMT-106", 1, None),
    "long text": ("a" * (MAX_BYTES + 1), "CMT-102", 1, 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_ends_at_once_with_one_place(name: str) -> None:
    text, code, line, column = HOSTILE[name]
    with bounded(name), pytest.raises(CmtError) as caught:
        read_text(text, "f.yaml")
    (problem,) = caught.value.problems
    assert problem.code == code, problem
    assert problem.place is not None
    assert (problem.place.file, problem.place.line) == ("f.yaml", line), problem
    assert column is None or problem.place.column == column, problem


def test_an_empty_text_is_not_a_model(tmp_path: Path) -> None:
    for text in ("", "\n\n", "# nothing\n", "---\n"):
        file = tmp_path / "m.yaml"
        file.write_text(text)
        with pytest.raises(CmtError, match="mapping") as caught:
            load(file)
        assert caught.value.code == "CMT-109"
        assert caught.value.problems[0].place is not None


def test_a_file_of_50_mb_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    with file.open("wb") as out:
        out.truncate(50_000_000)
    with bounded(), pytest.raises(CmtError) as caught:
        load(file)
    assert caught.value.code == "CMT-102"
    assert "50,000,000" in str(caught.value)


def test_an_endless_device_is_refused() -> None:
    with pytest.raises(CmtError) as caught:
        read_file(Path("/dev/zero"), "/dev/zero")
    assert caught.value.code in ("CMT-102", "CMT-103")


def test_bytes_that_are_not_utf_8_have_a_place(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("model: a\ndoc: é caf".encode() + b"\xe9\n")
    with pytest.raises(CmtError) as caught:
        read_file(file, "latin.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place) == ("CMT-108", Place("latin.yaml", 2, 11))


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CmtError) as caught:
        load(tmp_path)
    assert caught.value.code == "CMT-101" and "is a folder" in str(caught.value)
    with pytest.raises(CmtError) as caught:
        load(tmp_path / "nothing.yaml")
    assert caught.value.code == "CMT-101"
    for name in ("x" * 5000, "a\0b", "a\0/b", ""):
        with pytest.raises(CmtError) as caught:
            load(name)
        assert caught.value.code == "CMT-101"


def test_keys_are_texts() -> None:
    tree = read_text("1: a\ntrue: b\n~: c\n", "f")
    assert isinstance(tree, Map)
    assert list(tree.items) == ["1", "true", "~"]
