"""Image folders: layouts, odd files, exact draws however the work is divided, and bad images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.data.source import Shard, View
from runtime.data.stores.kinds import endings
from runtime.recipe.augment import AugmentGroup, Erase, RandAugment
from tests.runtime.data.made import LIVELY, STILL, VIEW, encoded, make_folder, opened, smooth, together

EVERYTHING = LIVELY.model_copy(
    update={
        "repeats": 3,
        "randaugment": RandAugment(ops=2, prob=0.5, magnitude=9, std=0.5, increasing=True),
        "erase": Erase(prob=0.25, area=[0.02, 0.33], aspect=[0.3, 3.3]),
    }
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "d")


def fails(code: str, match: str, root: Path, augment: AugmentGroup | None = STILL) -> str:
    with pytest.raises(CmtError, match=match) as found:
        opened(root, augment)
    assert found.value.code == code
    return found.value.problems[0].hint


@pytest.mark.parametrize("augment", [LIVELY, EVERYTHING], ids=["lively", "everything"])
def test_shards_threads_and_skipping_change_no_image(plain: Path, augment: AugmentGroup) -> None:
    whole = list(opened(plain, augment, workers=2).train(8, 3, 2))
    assert len(whole) == 3
    shards = [list(opened(plain, augment, workers=1).train(4, 3, 2, Shard(i, 2))) for i in range(2)]
    later = list(opened(plain, augment).train(8, 3, 2, skip=2))
    assert len(later) == 1
    np.testing.assert_array_equal(later[0].images, whole[2].images)
    for step, everyone in enumerate(whole):
        for index, shard in enumerate(shards):
            np.testing.assert_array_equal(shard[step].images, everyone.images[index::2])
            np.testing.assert_array_equal(shard[step].labels, everyone.labels[index::2])
    other = list(opened(plain, augment).train(8, 3, 3))
    assert not np.array_equal(whole[0].images, other[0].images)


@pytest.mark.parametrize("count", [1, 2, 7, 13])
def test_validation_shards_hold_each_image_once(plain: Path, count: int) -> None:
    source = opened(plain)
    parts = [part for i in range(count) for part in source.val(4, Shard(i, count))]
    images, labels = together(parts)
    expected, whole = together(source.val(3))
    assert len(images) == 10 and {p.images.shape for p in parts} == {(4, 3, 32, 32)}
    assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in expected)
    assert np.bincount(labels).tolist() == np.bincount(whole).tolist() == [5, 5]


def test_an_abandoned_epoch_ends_its_threads(plain: Path) -> None:
    import threading

    before = threading.active_count()
    batches = opened(plain).train(2, 0, 1)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_grey_models(plain: Path) -> None:
    assert next(opened(plain, view=View(1, 32, 32, 0.875)).val(4)).images.shape == (4, 1, 32, 32)
    with pytest.raises(CmtError, match="reads 4 channels"):
        opened(plain, view=View(4, 32, 32, 0.875))


def test_files_and_names_of_every_sort(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", 1, 1, ("Größe 寸", "x.y z"))
    for split in ("train", "val"):
        place = root / split / "x.y z"
        for junk in ("notes.txt", "Thumbs.db", "._000.jpg", ".DS_Store"):
            (place / junk).write_bytes(b"no image")
        (place / "UPPER CASE.JPEG").write_bytes(encoded(smooth(90), "JPEG"))
        (place / "mislabelled.jpg").write_bytes(encoded(smooth(91), "PNG"))
        (place / "below").mkdir()
        (place / "below" / "é.webp").write_bytes(encoded(smooth(92), "WEBP", lossless=True))
        (place / "link.jpg").symlink_to(place / "000.jpg")
        (tmp_path / "elsewhere" / split).mkdir(parents=True)
        (tmp_path / "elsewhere" / split / "000.jpg").write_bytes(encoded(smooth(93), "JPEG"))
        (place / "elsewhere").symlink_to(tmp_path / "elsewhere" / split)
        (root / split / ".cache").mkdir()
        (root / split / "README.txt").write_text("no class")
    source = opened(root)
    assert source.classes == ("Größe 寸", "x.y z")
    system = "as the system's by their names: 2 .*, 1 ._*, 1 Thumbs.db"
    assert list(source.notes) == [
        "left out of train/, no images by their endings: 1 .txt",
        f"ignored in train/, {system}",
        "left out of val/, no images by their endings: 1 .txt",
        f"ignored in val/, {system}",
        "class order: folder names as text",
    ]
    assert (source.train_size, source.val_size) == (
        7,
        7,
    )  # 1, and 000, UPPER, mislabelled, é, link, elsewhere/000
    assert together(source.val(4))[1].tolist() == [0] + [1] * 6
    assert len(together(source.train(7, 0, 1))[0]) == 7 and source.bad == []


def test_an_empty_folder_is_no_class(folder: Path) -> None:
    (folder / "train" / "__MACOSX").mkdir()
    (folder / "val" / "__MACOSX").mkdir()
    (folder / "val" / "__MACOSX" / "._000.jpg").write_bytes(b"junk")
    for name in ("@eaDir", "$RECYCLE.BIN", "#recycle", "lost+found"):
        (folder / "train" / name).mkdir()
        shutil.copy(folder / "val" / "ant" / "000.jpg", folder / "train" / name)
    (folder / "train" / "nothing").mkdir()
    source = opened(folder)
    assert source.classes == ("ant", "zebra") and source.train_size == 24
    assert source.notes == (
        "ignored in train/, as the system's by their names: 1 #recycle, 1 $RECYCLE.BIN, 1 @eaDir, 1 __MACOSX, "
        "1 lost+found",
        "ignored in val/, as the system's by their names: 1 __MACOSX",
        "nothing/ holds no image and is no class",
        "class order: folder names as text",
    )
    for file in (folder / "train" / "ant").iterdir():
        file.unlink()
    hint = fails("CMT-502", "1 class.* in val/ but without images in train/: ant", folder)
    assert hint


def test_classes_without_held_out_images(folder: Path) -> None:
    shutil.rmtree(folder / "val" / "ant")
    for _ in range(2):  # without the folder, and with an empty one
        source = opened(folder)
        assert (
            source.classes == ("ant", "zebra")
            and "1 of 2 classes have no held-out images: ant" in source.notes
        )
        assert np.bincount(together(source.val(4))[1], minlength=2).tolist() == [0, 5]
        (folder / "val" / "ant").mkdir(exist_ok=True)


LINKS = {  # from a folder below a class, to
    "itself": ("train/ant/below", "a folder above itself"),
    "its class": ("train/ant", "a folder above itself"),
    "its split": ("train", "a folder above itself"),
    "the data": (".", "a folder above itself"),
    "all above": ("..", "a folder above itself"),
    "a neighbour": ("train/zebra", "train/zebra: its images would count twice"),
    "a neighbour that is read before": ("train/aardvark", "train/aardvark: its images would count twice"),
    "a folder of its class": ("train/ant/other", "train/ant/other: its images would count twice"),
    "the other split": ("val", "val: its images would count twice"),
    "a class of the other split": ("val/zebra", "val/zebra: its images would count twice"),
}


@pytest.mark.parametrize("where", LINKS)
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_link_whose_images_would_count_twice_is_named(tmp_path: Path, where: str, relative: bool) -> None:
    folder = make_folder(tmp_path / "d", 1, 1, ("aardvark", "ant", "zebra"))
    place = folder / "train" / "ant" / "below"
    place.mkdir()
    (folder / "train" / "ant" / "other").mkdir()
    target, says = LINKS[where]
    at = folder / target
    (place / "link").symlink_to(os.path.relpath(at, place) if relative else at.resolve())
    hint = fails("CMT-501", f"the link {place}/link leads to .*{says}", folder)
    assert "remove the link" in hint


@pytest.mark.parametrize(
    ("link", "target"), [("train/alias", "train/zebra"), ("val/ant", "train/ant"), ("val", "train")]
)
def test_a_class_or_split_that_is_a_link_to_another(folder: Path, link: str, target: str) -> None:
    if (folder / link).is_dir():
        shutil.rmtree(folder / link)
    (folder / link).symlink_to(folder / target)
    fails("CMT-501", f"the link .*{link} leads to .*{target}: its images would count twice", folder)


def test_one_place_outside_counts_for_one_class(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "train" / "ant", tmp_path / "all")
    for at in ("train/ant", "train/zebra/more"):
        (folder / at).symlink_to(tmp_path / "all")
    says = "the link .*zebra/more leads to .*train/ant: its images would count twice"
    fails("CMT-501", says, folder)
    (folder / "train" / "zebra" / "more").unlink()
    assert opened(folder).train_size == 24
    (tmp_path / "all" / "up").symlink_to("..")  # to a folder that holds the one which the link led to
    fails("CMT-501", "the link .*train/ant/up leads to a folder above itself", folder)


def test_endings_are_what_pillow_reads_and_the_rest_is_counted(folder: Path) -> None:
    place = folder / "train" / "ant"
    for ending, kind in (
        (".jfif", "JPEG"),
        (".JPE", "JPEG"),
        (".avif", "AVIF"),
        (".jp2", "JPEG2000"),
        (".ico", "ICO"),
    ):
        (place / f"more{ending}").write_bytes(encoded(smooth(5), kind))
    for junk in ("a.heic", "b.HEIC", "c.txt", "d", "e.eps", "f.pdf"):
        (place / junk).write_bytes(b"x")
    source = opened(folder)
    assert source.train_size == 29 and len(together(source.train(29, 0, 1))[0]) == 29
    (note,) = [note for note in source.notes if note.startswith("left out")]
    assert (
        note
        == (
            "left out of train/, no images by their endings: 2 .heic (Pillow does not read them here: pip install pillow-heif), "
            "1 .eps (Pillow does not read them here: drawings: convert them to PNG), "
            "1 .pdf (Pillow does not read them here: drawings: convert them to PNG), 1 .txt, 1 without ending"
        )
        or ".heic" in endings()
    )
    assert source.left_out["train"] == {".heic": 2, ".txt": 1, "": 1, ".eps": 1, ".pdf": 1}
    (folder / "train" / "dog").mkdir()
    (folder / "train" / "dog" / "a.heic").write_bytes(b"x")
    hint = fails(
        "CMT-501", r"train/dog holds no image that is read: 1 .heic \(.*pip install pillow-heif", folder
    )
    assert hint


def test_images_beside_the_class_folders_are_counted(folder: Path) -> None:
    for name in ("one.jpg", "two.png", "notes.txt"):
        shutil.copy(folder / "val" / "ant" / "000.jpg", folder / "val" / name)
    assert "left out of val/: 2 images beside the class folders" in opened(folder).notes


@pytest.mark.parametrize(
    ("train", "val", "hint"),
    [
        ("Dog", "dog", "did you mean 'Dog'? Rename one as the other"),
        ("CAT", "cat", "did you mean 'CAT'"),
        ("caf\u00e9", "cafe\u0301", "'café' is written with other Unicode characters"),
        ("golden retriever", "golden_retriever", "did you mean 'golden retriever'"),
        ("labrador", "labradro", "did you mean 'labrador'"),
        ("dog", "yak", "a model cannot learn what it never sees"),
    ],
)
def test_a_class_of_val_that_train_spells_otherwise(tmp_path: Path, train: str, val: str, hint: str) -> None:
    folder = make_folder(tmp_path / "d", 1, 1)
    (folder / "train" / "ant").rename(folder / "train" / train)
    (folder / "val" / "ant").rename(folder / "val" / val)
    shutil.copytree(folder / "val" / "zebra", folder / "train" / "cow")
    assert hint in fails("CMT-502", "1 class.* in val/ but without images in train/", folder)


def test_a_damaged_layout_is_named(folder: Path) -> None:
    (folder / "val" / "newt").mkdir()
    shutil.copy(folder / "val" / "ant" / "000.jpg", folder / "val" / "newt")
    fails("CMT-502", "in val/ but without images in train/: newt", folder)
    shutil.rmtree(folder / "val")
    fails("CMT-501", "there is no folder .*val", folder)
    shutil.rmtree(folder / "train")
    (folder / "val").mkdir()
    (folder / "train").mkdir()
    fails("CMT-501", "train has no class folders", folder)
    shutil.rmtree(folder)
    fails("CMT-501", "there is no folder", folder)


@pytest.mark.parametrize("name", ["val_labels.txt", "val/val_labels.csv", "LOC_val_solution.csv"])
def test_a_flat_validation_folder_with_its_labels(folder: Path, name: str) -> None:
    expected, labels = together(opened(folder).val(10))
    lines = ["ImageId,PredictionString"] if name.endswith("solution.csv") else []
    for at, place in enumerate(sorted((folder / "val").glob("*/*.jpg"))):
        stem = f"ILSVRC2012_val_{at + 1:08d}"
        place.rename(folder / "val" / f"{stem}.JPEG")
        label = place.parent.name
        if name.endswith("solution.csv"):
            lines.append(f"{stem},{label} 12 30 200 211 {label} 1 2 3 4")
        else:
            lines.append(f"{stem}.JPEG{',' if name.endswith('csv') else ' '}{label}")
    for place in (folder / "val").iterdir():
        if place.is_dir():
            place.rmdir()
    hint = fails("CMT-508", "holds 10 images but no class folders, and nothing says their classes", folder)
    assert "val_labels.txt" in hint and "LOC_val_solution.csv" in hint
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("490\n" * 10)
    fails("CMT-508", "ground_truth.txt numbers them in an order of its own", folder)
    (folder / name).write_text("\n".join(lines) + "\n")
    for augment in (STILL, None):
        images, found = together(opened(folder, augment).val(10))
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(found, labels)
    (folder / name).write_text("\n".join(lines[:-2]) + "\n")
    fails("CMT-508", "gives no class for 2 of 10 images, the first ILSVRC2012_val_00000009.JPEG", folder)
    (folder / name).write_text("\n".join([*lines, lines[-1]]))
    fails("CMT-508", "has a class already, in line", folder)
    (folder / name).write_text("\n".join([*lines[:-1], lines[-1].replace("zebra", "yak")]))
    fails("CMT-508", "'yak' is no class folder of", folder)
    (folder / name).write_text("\n".join([*lines, "none.jpg ant"]))
    fails("CMT-508", "there is no image none.jpg", folder)


def spoil(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_first_bad_image_ends_the_run_by_name(folder: Path, split: str) -> None:
    spoil(folder / split / "zebra" / "003.jpg")
    source = opened(folder)
    with pytest.raises(
        CmtError, match=rf"cannot read .*{split}/zebra/003\.jpg: its content is damaged"
    ) as found:
        list(source.train(4, 0, 1) if split == "train" else source.val(4))
    assert found.value.code == "CMT-503" and "data.max_bad" in found.value.problems[0].hint
    assert [bad.name for bad in source.bad] == [str(folder / split / "zebra" / "003.jpg")]


def test_a_missing_file_and_an_unreadable_one_are_named(folder: Path) -> None:
    source = opened(folder)
    (folder / "val" / "ant" / "001.jpg").unlink()
    with pytest.raises(CmtError, match=r"val/ant/001\.jpg: No such file"):
        list(source.val(4))


def test_bad_images_are_left_out_and_replaced(folder: Path) -> None:
    good = opened(folder, STILL)
    expected, labels = together(good.val(10))
    first = list(good.train(8, 5, 1))
    for name in ("ant/011", "zebra/000"):  # neighbours in the store
        spoil(folder / "train" / f"{name}.jpg")
    spoil(folder / "val" / "ant" / "002.jpg")
    (folder / "val" / "zebra" / "004.jpg").write_bytes(b"")

    source = opened(folder, STILL, max_bad=4)
    images, kept = together(source.val(4))
    stay = [i for i in range(10) if i not in (2, 9)]
    np.testing.assert_array_equal(images, expected[stay])
    np.testing.assert_array_equal(kept, labels[stay])
    assert [p.count for p in source.val(4)] == [3, 4, 1]
    assert [Path(bad.name).name for bad in source.bad] == ["002.jpg", "004.jpg"]
    assert source.bad[1].reason == "the file is empty"

    second = list(source.train(8, 5, 1))
    assert len(source.bad) == 4  # each once, however often drawn
    before, after = np.concatenate([b.images for b in first]), np.concatenate([b.images for b in second])
    changed = (before != after).any(axis=(1, 2, 3))
    assert changed.sum() == 2
    own = together(good_train(folder, 13))
    for row in np.flatnonzero(changed):  # both by zebra/001, the next that can be read
        np.testing.assert_array_equal(after[row], own[0][0])
        assert np.concatenate([b.labels for b in second])[row] == 1
    shards = [list(opened(folder, STILL, max_bad=4).train(4, 5, 1, Shard(i, 2))) for i in range(2)]
    for step, everyone in enumerate(second):
        for index in range(2):
            np.testing.assert_array_equal(shards[index][step].images, everyone.images[index::2])

    with pytest.raises(CmtError, match=r"\(bad image 4, data.max_bad is 3\)"):
        source = opened(folder, STILL, max_bad=3)
        list(source.val(4))
        list(source.train(8, 5, 1))


def good_train(folder: Path, index: int) -> list:
    """The training image of that index alone, unaugmented."""
    from runtime.data.image.stages import through, train_stages
    from runtime.data.source import Batch

    stored = opened(folder, STILL).stored["train"]
    image = through(train_stages(VIEW, STILL, 0, 1), stored.read(index), 0)
    return [Batch(image[None], stored.labels[[index]], 1)]


def test_nothing_readable_to_validate(folder: Path) -> None:
    for file in (folder / "val").glob("*/*.jpg"):
        spoil(file)
    with pytest.raises(CmtError, match="none of the 10 held-out images can be read"):
        list(opened(folder, max_bad=99).val(4))


@pytest.mark.skipif(os.name == "nt", reason="names there are always text")
def test_a_name_that_is_no_text_can_be_printed(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "d", 2, 1)
    broken = os.fsencode(root / "val" / "ant") + b"/\xff\xfe.jpg"
    with open(broken, "wb") as file:  # noqa: PTH123
        file.write(b"")
    with pytest.raises(CmtError, match=r"\\xff\\xfe\.jpg: the file is empty") as found:
        list(opened(root).val(4))
    str(found.value).encode()
