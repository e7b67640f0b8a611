"""Which logit a class folder is: never by a silent guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cmt_dsl import Graph, build, load_text, run
from cmt_dsl.errors import CmtError
from runtime.data.classes import Order, class_names, imagenet, match, natural, order_of, words
from runtime.data.held_out import Asked, held_out
from runtime.data.image.transforms import MEAN, STD
from runtime.infer.evaluate import count
from runtime.infer.metrics import answers
from runtime.infer.per_class import as_csv, per_class, summary

COLOURS = np.random.default_rng(7).integers(20, 235, (10, 3))
MODEL = """\
model: colours
input: {channels: 3, size: 8}
classes: 10
profile: official
drop_path: 0
stages: [{block: b, depth: 1}]
blocks: {b: {block: b, nodes: [{pool: {op: global_avg_pool}}, {fc: {op: linear, out: $model.classes}}]}}
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build(load_text(MODEL))


@pytest.fixture(scope="module")
def weights(graph: Graph) -> dict[str, np.ndarray]:
    """Each image's class is its nearest colour."""
    seen = ((COLOURS - np.array(MEAN)) / np.array(STD)).astype(np.float32)
    names = {p.path.rpartition(".")[2]: p.path for p in graph.params}
    return {names["weight"]: 2 * seen, names["bias"]: -(seen**2).sum(axis=1)}


def painted(root: Path, names: list[str], kept: set[int] | None = None) -> Path:
    """val/NAME/… with two plain images of colour i for the i-th name."""
    for i, name in enumerate(names):
        if kept is None or i in kept:
            (root / "val" / name).mkdir(parents=True)
            for k in range(2):
                Image.new("RGB", (16, 16), tuple(COLOURS[i].tolist())).save(root / "val" / name / f"{k}.png")
    return root


def accuracy(
    root: Path, graph: Graph, weights: dict[str, np.ndarray], names: tuple[str, ...] = (), **asked: Any
) -> tuple[float, tuple[str, ...]]:
    opened = held_out(str(root), load_text(MODEL), {}, names, Asked(**asked))
    hits = images = 0
    for part in opened.source.val(7):
        logits = run(graph, weights, part.images[: part.count])
        hits, images = hits + count(logits, part.labels[: part.count])[0], images + part.count
    return hits / images, opened.notes


DIGITS, ONES, PADDED = (
    [str(i) for i in range(10)],
    [str(i) for i in range(1, 11)],
    [f"{i:02d}" for i in range(1, 11)],
)


@pytest.mark.parametrize("names", [DIGITS, PADDED], ids=["0..9", "01..10"])
def test_weights_without_names_where_both_orders_agree(
    tmp_path: Path, graph: Graph, weights: dict[str, np.ndarray], names: list[str]
) -> None:
    assert accuracy(painted(tmp_path, names), graph, weights) == (1.0, ("class order: folder names as text",))


def test_folders_1_to_10_are_refused_or_right_and_never_a_silent_guess(
    tmp_path: Path, graph: Graph, weights: dict[str, np.ndarray]
) -> None:
    root = painted(tmp_path, ONES)
    with pytest.raises(CmtError) as found:
        accuracy(root, graph, weights)
    (problem,) = found.value.problems
    assert problem.code == "CMT-512"
    assert "1, 10, 2" in problem.message and "9, 10" in problem.message
    assert "--class-order natural" in problem.hint and "--classes FILE" in problem.hint
    assert accuracy(root, graph, weights, class_order="natural")[0] == 1.0
    assert accuracy(root, graph, weights, class_order="text")[0] < 0.3
    (tmp_path / "list").write_text("\n".join(ONES))
    assert accuracy(root, graph, weights, classes=str(tmp_path / "list"))[0] == 1.0
    assert accuracy(root, graph, weights, names=tuple(ONES))[0] == 1.0
    (root / "classes.txt").write_text("\n".join(ONES) + "\n")
    assert accuracy(root, graph, weights) == (1.0, ("class order: classes.txt",))


def test_a_test_set_of_some_classes_by_name(
    tmp_path: Path, graph: Graph, weights: dict[str, np.ndarray]
) -> None:
    names = [f"c{i}" for i in reversed(range(10))]
    root = painted(tmp_path, names, {2, 5, 9})
    top1, notes = accuracy(root, graph, weights, names=tuple(names))
    assert top1 == 1.0 and notes == ("the data has 3 of the model's 10 classes",)
    with pytest.raises(CmtError, match="10 classes and does not know their names, the data 3") as found:
        accuracy(root, graph, weights)
    assert "--classes FILE" in found.value.problems[0].hint
    with pytest.raises(CmtError, match="does not know 1 of the data's 3 classes: c4") as found:
        accuracy(root, graph, weights, names=tuple(n.replace("c4", "c_4") for n in names))
    assert found.value.code == "CMT-502" and "c_4" in found.value.problems[0].hint


def test_imagenet_needs_no_option() -> None:
    wnids = list(imagenet())
    assert len(wnids) == 1000 and wnids == sorted(wnids)
    assert (wnids[0], wnids[-1]) == ("n01440764", "n15075141")
    assert words("n01440764") == "tench" and words("dog") == "dog"
    some = tuple(wnids[i] for i in (3, 500, 998))
    logits, names, _ = match(1000, (), Order(some), "d")
    assert logits == (3, 500, 998) and names == tuple(wnids)
    by_words = match(1000, tuple(wnids), Order(("tench", "toilet tissue")), "d")[0]
    assert by_words == (0, 999)
    assert match(1000, tuple(words(w) for w in wnids[:0]) or tuple(wnids), Order(some), "d")[0] == logits
    assert class_names("imagenet") == tuple(wnids)
    with pytest.raises(CmtError, match="crane"):  # the bird, or the machine?
        match(1000, tuple(wnids), Order(("crane",)), "d")


def test_unicode_spells_one_name_in_two_ways() -> None:
    assert match(2, ("Gr\u00f6\u00dfe", "b"), Order(("b", "Gro\u0308\u00dfe")), "d")[0] == (1, 0)


@pytest.mark.parametrize(
    ("folders", "sorted_"),
    [
        (["img10", "img2"], ["img2", "img10"]),
        (["1.5", "1.10"], ["1.5", "1.10"]),
        (["b", "a", "10", "9"], ["9", "10", "a", "b"]),
        (["7", "007"], ["007", "7"]),
    ],
)
def test_natural_order(folders: list[str], sorted_: list[str]) -> None:
    assert sorted(folders, key=natural) == sorted_


def test_a_training_says_the_order_and_warns_where_it_is_in_doubt(tmp_path: Path) -> None:
    plain, doubtful = order_of(["a", "b"], tmp_path), order_of(["10", "9"], tmp_path)
    assert plain.note() == "class order: folder names as text" and plain.other == ()
    assert doubtful.names == ("10", "9") and doubtful.other == ("9", "10")
    assert doubtful.note().startswith("warning: ") and "--class-order" in doubtful.note()
    assert order_of(["10", "9"], tmp_path, sorting="natural").names == ("9", "10")
    assert "warning" not in order_of(["10", "9"], tmp_path, sorting="text").note()
    (tmp_path / "classes.txt").write_text("b\na\nz\n")
    assert order_of(["a", "b"], tmp_path).names == ("b", "a", "z")
    with pytest.raises(CmtError, match="lists 3 classes, and not c"):
        order_of(["a", "c"], tmp_path)


LISTS = {
    "lines": ("a\nb b\nc\n\n", ("a", "b b", "c")),
    "with words": ("n1\tgreat white\nn2\tb\n", ("n1", "n2")),
    "windows": ("\ufeffa\r\nb\r\n", ("a", "b")),
    "json list": ('["a", "b"]', ("a", "b")),
    "json map": ('{"1": "b", "0": "a"}', ("a", "b")),
    "json imagenet": ('{"0": ["n1", "tench"], "1": ["n2", "cat"]}', ("n1", "n2")),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_names(tmp_path: Path, name: str) -> None:
    text, names = LISTS[name]
    (tmp_path / "list").write_bytes(text.encode())
    assert class_names(str(tmp_path / "list")) == names


BAD = {
    "missing": (None, "cannot read"),
    "utf-16": ("a\nb".encode("utf-16"), "is UTF-16"),
    "latin-1": (b"a\ngr\xfcn", r":2: the byte 0xfc is not UTF-8"),
    "twice": (b"a\nb\na\n", r":3: 'a' stands already as class 0"),
    "blank": (b"a\n\nb\n", r":2: there is no name"),
    "empty": (b"", "names no class"),
    "no json": (b"[1, ", "is not JSON"),
    "numbers": (b"[1, 2]", "holds no list of names"),
    "from 1": (b'{"1": "a", "2": "b"}', "does not number its 2 classes from 0"),
    "nested": (b'{"a": {"b": 1}}', "does not number"),
}


@pytest.mark.parametrize("name", BAD)
def test_lists_that_are_refused(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    if content is not None:
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(CmtError, match=message) as found:
        class_names(str(tmp_path / "list"))
    assert found.value.code == "CMT-511" and found.value.problems[0].hint


def test_figures_of_each_class_by_hand() -> None:
    logits = np.array([[2, 1, 0], [2, 2, 0], [0, 3, 1], [np.nan, 9, 0], [5, 0, 1.0]])
    labels = np.array([0, 0, 1, 1, 0])
    assert answers(logits, labels).tolist() == [0, 1, 1, -1, 0]
    confusion = np.array([[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    a, b, c = per_class(confusion, ["a", "b", "c"])
    assert (a.total, a.right, a.recall, a.precision) == (3, 2, 2 / 3, 1.0) and a.f1 == pytest.approx(0.8)
    assert (b.recall, b.precision) == (1.0, 0.5)
    assert (c.recall, c.precision, c.f1) == (None, None, None)
    found = summary([a, b, c], 1)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["classes_measured"] == 2 and found["classes_without_images"] == ["c"]
    lines = as_csv([a, b, c], confusion).splitlines()
    assert lines[0] == "class,total,right,answered,recall,precision,f1,as a,as b,as c"
    assert lines[3] == "c,0,0,0,,,,0,0,0"
    json.dumps([each.json() for each in (a, b, c)], allow_nan=False)
