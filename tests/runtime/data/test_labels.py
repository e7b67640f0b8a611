"""Lists of labels as people have them: delimiters, quotes, blanks, columns, paths, encodings; and wrong ones."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from cmt_dsl.errors import CmtError, Place
from tests.runtime.data.made import STILL, make_folder, opened

LISTS = {
    "csv": "file,label\na b.jpg,big cat\nsub/c.jpg,dog\n",
    "quoted": '"a b.jpg","big cat"\n"sub/c.jpg","dog"\n',
    "quoted where needed": 'sub/c.jpg,dog\na b.jpg,"big cat"\n',
    "semicolon": "a b.jpg;big cat\nsub/c.jpg;dog\n",
    "tab": "a b.jpg\tbig cat\nsub/c.jpg\tdog\textra\n",
    "blanks": "a b.jpg big cat\nsub/c.jpg dog 7 8\n",
    "several blanks": "a b.jpg   big cat\nsub/c.jpg  dog\n",
    "blanks and quotes": '"a b.jpg" "big cat"\n"sub/c.jpg" dog\n',
    "windows": "a b.jpg big cat\r\nsub\\c.jpg dog\r\n",
    "old macs": "a b.jpg,big cat\rsub/c.jpg,dog\r",
    "from the root": "./val/a b.jpg big cat\n./val/sub/c.jpg dog\n",
    "from far above": "/data/d/val/a b.jpg,big cat\n/data/d/val/sub/c.jpg,dog\n",
    "stems": "a b,big cat\nc,dog\n",
    "without folders": "a b.jpg,big cat\nc.jpg,dog\n",
    "other endings": "a b.JPG,big cat\nsub/c.jpeg,dog\n",
    "mark": "\ufeffa b.jpg,big cat\nsub/c.jpg,dog\n",
    "empty lines": "\n\nfile;label\n\na b.jpg;big cat\n\nsub/c.jpg;dog\n\n",
    "a numbered table": ",filename,label\n0,a b.jpg,big cat\n1,sub/c.jpg,dog\n",
    "numbers and names": "filename,class_id,class\na b.jpg,0,big cat\nsub/c.jpg,1,dog\n",
    "the class first": "label,file\nbig cat,a b.jpg\ndog,sub/c.jpg\n",
    "a comma in other columns": 'file;label;note\na b.jpg;big cat;"one, two"\nsub/c.jpg;dog;three, four\n',
}


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    root = make_folder(tmp_path / "d", 1, 1, ("big cat", "dog"))
    (root / "val" / "big cat" / "000.jpg").rename(root / "val" / "a b.jpg")
    (root / "val" / "sub").mkdir()
    (root / "val" / "dog" / "000.jpg").rename(root / "val" / "sub" / "c.jpg")
    for name in ("big cat", "dog"):
        (root / "val" / name).rmdir()
    return root


def labels(root: Path, **group: str) -> dict[str, str]:
    """Class by image, both by their names."""
    source = opened(root, STILL, **group)
    stored = source.stored["val"]
    return {Path(p).name: source.classes[n] for p, n in zip(stored.paths, stored.labels, strict=True)}


RIGHT = {"a b.jpg": "big cat", "c.jpg": "dog"}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_labels(listed: Path, name: str) -> None:
    (listed / "val_labels.txt").write_bytes(LISTS[name].encode())
    assert labels(listed) == RIGHT


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["csv", "tab", "blanks"])
def test_encodings_that_say_what_they_are(listed: Path, encoding: str, name: str) -> None:
    text = LISTS[name] if encoding in ("utf-16", "utf-8-sig") else "\ufeff" + LISTS[name]
    (listed / "val_labels.txt").write_bytes(text.encode(encoding))
    assert labels(listed) == RIGHT


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_both_forms_of_unicode(tmp_path: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    root = make_folder(tmp_path / "d", 1, 1, (unicodedata.normalize(form, "café"), "dog"))
    for number, place in enumerate(sorted((root / "val").iterdir())):
        (place / "000.jpg").rename(root / "val" / unicodedata.normalize(form, f"é {number}.jpg"))
        place.rmdir()
    text = unicodedata.normalize(other, "é 0.jpg,café\né 1.jpg,dog\n")
    (root / "val_labels.csv").write_text(text, encoding="utf-8")
    assert sorted(unicodedata.normalize("NFC", name) for name in labels(root).values()) == ["café", "dog"]


def test_the_longest_name_goes_first_and_leaves_a_class(listed: Path) -> None:
    (listed / "val" / "sub" / "c.jpg").rename(listed / "val" / "a b.jpg big.jpg")
    (listed / "val_labels.txt").write_text("a b.jpg big cat\na b.jpg big.jpg dog\n")
    assert labels(listed) == {"a b.jpg": "big cat", "a b.jpg big.jpg": "dog"}


def test_the_numbers_of_a_table_are_no_names(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", 1, 1)
    for number, name in ((1, "ant"), (0, "zebra")):
        (root / "val" / name / "000.jpg").rename(root / "val" / f"{number}.jpg")
        (root / "val" / name).rmdir()
    (root / "val_labels.csv").write_text(",file,label\n0,1.jpg,ant\n1,0.jpg,zebra\n")
    assert labels(root) == {"1.jpg": "ant", "0.jpg": "zebra"}


def test_a_list_of_another_name_and_images_in_other_folders(listed: Path) -> None:
    (listed / "val").rename(listed / "valid")
    (listed / "valid" / "a b.jpg").rename(listed / "valid" / "sub" / "a b.jpg")
    (listed / "valid_labels.csv").write_text("valid/sub/a b.jpg,big cat\nvalid\\sub\\c.jpg,dog\n")
    assert labels(listed, val_name="valid") == RIGHT
    (listed / "train").rename(listed / "others")
    source = opened(listed, None, val_name="valid")  # without training images the list says the classes
    assert source.classes == ("big cat", "dog") and source.val_size == 2


WRONG = {
    "another encoding": (b"a b.jpg big cat\nsub/c.jpg caf\xe9\n", 2, "not UTF-8: it has the byte 0xe9"),
    "unmarked UTF-16": (LISTS["csv"].encode("utf-16-le"), 1, "UTF-16 without its mark"),
    "an unknown class": (b"a b.jpg,big cat\nsub/c.jpg,dgo\n", 2, "'dgo' is no class folder of"),
    "a class number": (b"a b.jpg,0\nsub/c.jpg,1\n", 1, "'0' is no class folder of"),
    "no class": (b"a b.jpg,big cat\nsub/c.jpg\n", 2, "sub/c.jpg is given no class"),
    "an open quote": (b'a b.jpg,"big cat\nsub/c.jpg,dog\n', 1, "the quotes do not match"),
    "an unknown file": (b"a b.jpg;big cat\nsub/d.jpg;dog\n", 2, "there is no image sub/d.jpg in"),
    "another folder": (b"a b.jpg;big cat\nsup/c.jpg;dog\n", 2, "there is no image sup/c.jpg in"),
    "a line twice": (b"a b.jpg\tdog\nsub/c.jpg\tdog\na b.jpg\tdog\n", 3, "has a class already, in line 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_lists_that_are_refused_where_they_are_wrong(listed: Path, name: str) -> None:
    content, line, message = WRONG[name]
    (listed / "val_labels.txt").write_bytes(content)
    with pytest.raises(CmtError) as found:
        opened(listed)
    [problem] = found.value.problems
    assert problem.code == "CMT-508" and message in problem.message and problem.hint
    assert problem.place == Place(str(listed / "val_labels.txt"), line, 1)
    if "UTF" in message:
        assert "iconv -f" in problem.hint and "> " in problem.hint
    if name == "an unknown class":
        assert problem.hint == "did you mean 'dog'?"


def test_a_name_that_is_two_images(listed: Path) -> None:
    (listed / "val" / "up").mkdir()
    (listed / "val" / "a b.jpg").rename(listed / "val" / "up" / "c.jpg")
    (listed / "val_labels.txt").write_text("c.jpg dog\nup/c.jpg big cat\n")
    with pytest.raises(CmtError, match=r"c\.jpg is 2 images: sub/c\.jpg, up/c\.jpg") as found:
        opened(listed)
    assert found.value.problems[0].hint == "write the path below val/"


def test_a_list_beside_class_folders_is_not_read_and_that_is_said(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", 1, 1)
    (root / "val_labels.txt").write_text("000.jpg ant\n")
    assert "val_labels.txt is not read: val/ has class folders" in opened(root).notes
