"""MindRecord gives exactly what the folder it was packed from gives; needs MindSpore."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.data.source import Shard
from tests.runtime.data.made import LIVELY, STILL, make_folder, opened, together

pytestmark = pytest.mark.mindspore


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """folder/, and one/ and three/ with as many files a split; one image ends in zero bytes, one is damaged."""
    from runtime.data.pack import pack

    root = tmp_path_factory.mktemp("records")
    make_folder(root / "folder", classes=("ant", "Größe x"))
    zeros = root / "folder" / "train" / "ant" / "003.jpg"
    zeros.write_bytes(zeros.read_bytes() + bytes(7))
    bad = root / "folder" / "train" / "ant" / "004.jpg"
    bad.write_bytes(bad.read_bytes()[:400])
    for name, shards in (("one", 1), ("three", 3)):
        told: list[tuple[int, int]] = []
        counts, notes = pack(root / "folder", root / name, shards, lambda *state, t=told: t.append(state))
        assert counts == {"train": 24, "val": 10} and told[-1] == (34, 34)
        assert notes == []
    return root


@pytest.mark.parametrize("name", ["one", "three"])
def test_the_same_images_as_from_the_folder(made: Path, name: str) -> None:
    folder, records = (opened(made / which, LIVELY, max_bad=1) for which in ("folder", name))
    assert records.classes == folder.classes == ("Größe x", "ant")
    for kind in ("train", "val"):
        np.testing.assert_array_equal(records.stored[kind].labels, folder.stored[kind].labels)
        for index in (0, 7, len(folder.stored[kind].labels) - 1):
            assert records.stored[kind].read(index) == folder.stored[kind].read(index)
        assert records.stored[kind].name(2).endswith(f"record 2 ({kind}/Größe x/002.jpg)")
    epochs = range(1, 4)
    for shard, skip in ((Shard(), 0), (Shard(1, 2), 1)):
        for epoch in epochs:
            ours = list(records.train(4, 7, epoch, shard, skip))
            theirs = list(folder.train(4, 7, epoch, shard, skip))
            assert len(ours) == len(theirs) > 0
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a.images, b.images)
                np.testing.assert_array_equal(a.labels, b.labels)
    thrice = LIVELY.model_copy(update={"repeats": 3})
    ours, theirs = (
        together(opened(made / which, thrice, max_bad=1).train(8, 7, 1)) for which in (name, "folder")
    )
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(together(records.val(4))[0], together(folder.val(3))[0])
    assert [bad.reason for bad in records.bad] == [bad.reason for bad in folder.bad] and len(records.bad) == 1
    assert records.bad[0].name.endswith("(train/ant/004.jpg)")


def test_a_bad_record_is_named(made: Path) -> None:
    with pytest.raises(CmtError, match=r"train\.mindrecord record 16 \(train/ant/004\.jpg\)") as found:
        list(opened(made / "one", STILL).train(24, 0, 1))
    assert found.value.code == "CMT-503"


def test_validation_needs_no_training_file(made: Path, tmp_path: Path) -> None:
    for name in ("val.mindrecord", "val.mindrecord.db", "classes.txt"):
        shutil.copy(made / "one" / name, tmp_path / name)
    assert len(together(opened(tmp_path, None).val(4))[0]) == 10
    (tmp_path / "classes.txt").unlink()
    assert opened(tmp_path, None).classes == ("0", "1")


def test_what_is_wrong_with_a_file(made: Path, tmp_path: Path) -> None:
    from mindspore.mindrecord import FileWriter

    def fails(code: str, match: str) -> None:
        with pytest.raises(CmtError, match=match) as found:
            list(opened(tmp_path, None).val(4))
        assert found.value.code == code

    for name in ("val.mindrecord", "val.mindrecord.db"):
        shutil.copy(made / "one" / name, tmp_path / name)
    (tmp_path / "classes.txt").write_text("only\n")
    fails("CMT-509", "names 1 classes, the records have labels up to 1")
    (tmp_path / "classes.txt").unlink()
    whole = (tmp_path / "val.mindrecord").read_bytes()
    (tmp_path / "val.mindrecord").write_bytes(whole[:1000])
    fails("CMT-509", "cannot read .*val.mindrecord")
    (tmp_path / "val.mindrecord").write_bytes(whole)
    (tmp_path / "val.mindrecord.db").unlink()
    fails("CMT-501", "lacks its index val.mindrecord.db")
    (tmp_path / "val.mindrecord").unlink()
    writer = FileWriter(str(tmp_path / "val.mindrecord"))
    writer.add_schema({"data": {"type": "bytes"}, "target": {"type": "int32"}}, "other fields")
    writer.write_raw_data([{"data": b"x", "target": 1}])
    writer.commit()
    fails("CMT-509", "has the fields data, target; one of bytes and an integer 'label' are needed")


def test_packing_is_all_or_nothing(made: Path, tmp_path: Path) -> None:
    from runtime.data.pack import pack

    def fails(code: str, match: str) -> None:
        with pytest.raises(CmtError, match=match) as found:
            pack(tmp_path / "folder", tmp_path / "out", 1, lambda *_: None)
        assert found.value.code == code
        assert [p.name for p in tmp_path.iterdir()] == ["folder"]

    make_folder(tmp_path / "folder", 2, 1)
    (tmp_path / "folder" / "val" / "ant" / "000.jpg").write_bytes(b"")
    fails("CMT-503", r"val/ant/000\.jpg is empty")
    (tmp_path / "folder" / "val" / "ant").rename(tmp_path / "folder" / "val" / "newt")
    fails("CMT-502", "newt")
    with pytest.raises(CmtError, match="exists already") as found:
        pack(made / "folder", made / "one", 1, lambda *_: None)
    assert found.value.code == "CMT-510"


def test_parts_of_other_names_and_held_out_records(made: Path, tmp_path: Path) -> None:
    for end in ("", ".db"):
        shutil.copy(made / "one" / f"train.mindrecord{end}", tmp_path / f"train.mindrecord{end}")
    shutil.copy(made / "one" / "classes.txt", tmp_path)
    with pytest.raises(CmtError, match=r"there is no .*/val\.mindrecord") as found:
        opened(tmp_path)
    assert "data.split=0.1" in found.value.problems[0].hint
    source = opened(tmp_path, STILL, split=0.25, max_bad=1)
    assert (source.train_size, source.val_size) == (18, 6)
    assert source.notes == ("held out: 6 of 24 images, by data.split 0.25",)
    numbers = [int(number) for number in source.split.held_out]
    names = [source.stored["val"].name(index) for index in range(6)]
    assert [f"record {number} " in name for number, name in zip(sorted(numbers), names, strict=True)] == [
        True
    ] * 6
    whole = opened(made / "one").stored["train"]
    again = opened(tmp_path, None, split=0.25, max_bad=1)
    assert [again.stored["val"].read(i) for i in range(6)] == [whole.read(n) for n in sorted(numbers)]
    assert len(together(source.train(18, 0, 1))[0]) == 18
    assert (
        source.identity["val"] == again.identity["val"] != opened(tmp_path, None, split=0.5).identity["val"]
    )


def test_records_of_classes_that_one_part_lacks(made: Path, tmp_path: Path) -> None:
    from runtime.data.pack import pack

    folder = make_folder(tmp_path / "folder", 2, 1, ("ant", "bee", "cow"))
    shutil.rmtree(folder / "val" / "bee")
    _, notes = pack(folder, tmp_path / "out", 1, lambda *_: None)
    lacking = "1 of 3 classes have no held-out images: bee"
    assert lacking in notes and opened(tmp_path / "out").notes == (lacking,)
