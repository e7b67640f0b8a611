"""`cmt data …`, and a folder nobody has prepared: it trains and validates, every image counted."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.cmt import cmt
from tests.runtime.data.made import encoded, make_folder, smooth
from tests.tiny import ATOM, ROOT

NANO = ["--recipe", "digits", "--model", "cmt_nano"]
MIX = "augment.mix={mixup: 0.8, cutmix: 1.0, mixup_prob: 1.0, switch_prob: 0.5}"

TINY = """\
model: tiny
input: {channels: 3, size: 16}
classes: 2
profile: official
drop_path: 0.0
stages: [{block: c, depth: 1}]
head: {block: h}
blocks:
  c:
    block: c
    nodes: [{conv: {op: conv2d, out: 8, kernel: 4, stride: 4, padding: 0}}]
  h:
    block: h
    nodes:
      - pool: {op: global_avg_pool}
      - fc: {op: linear, out: $model.classes}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures") / "p d")


def test_preview_is_a_picture_of_the_samples(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    still = ["--set", "augment.rotate=0", "--set", "augment.shift=0", "--set", "train.batch=8"]
    done = cmt("data", "preview", "--data", folder, *NANO, *still, "-o", sheet, "--count", 12, "--json")
    assert done.code == 0, done.err
    assert done.json["images"] == 12 and set(done.json["captions"]) == {"ant", "zebra"}
    page = np.asarray(Image.open(io.BytesIO(sheet.read_bytes())))
    order = np.random.default_rng([0, 1]).permutation(24)  # ant's 12 pictures, then zebra's
    first = smooth(order[0] + 1).resize((32, 32), Image.Resampling.BICUBIC)
    tile = page[4 : 4 + 128 : 4, 4 : 4 + 128 : 4].astype(int)
    assert abs(tile - np.asarray(first)).mean() < 4  # JPEG
    assert done.json["captions"] == [("ant", "zebra")[i // 12] for i in order[:12]]
    mixed = cmt("data", "preview", "--data", folder, *NANO, "--set", MIX, "-o", sheet, "--json", "--epoch", 2)
    assert any(" + " in caption for caption in mixed.json["captions"])
    assert "36 images of epoch 1" in cmt("data", "preview", "--data", "digits", *NANO, "-o", sheet).out


def test_bench_measures_each_stage(folder: Path) -> None:
    random = "augment.randaugment={ops: 2, prob: 0.5, magnitude: 9, std: 0.5, increasing: true}"
    erase = "augment.erase={prob: 0.25, area: [0.02, 0.3], aspect: [0.3, 3.3]}"
    sets = [word for text in (MIX, random, erase) for word in ("--set", text)]
    words = ["data", "bench", "--data", folder, *NANO, *sets, "--seconds", 0.6]
    done = cmt(*words, "--json")
    assert done.code == 0 and f"opening {folder}" in done.err
    stages = done.json["stages"]
    assert [row["stage"] for row in stages] == [
        "read",
        "decode",
        "crop",
        "randaugment",
        "normalise",
        "erase",
        "mix",
    ]
    assert sum(row["share"] for row in stages) == pytest.approx(1, abs=0.01)
    assert all(
        row["ms"] > 0 and row["per_core"] == pytest.approx(1000 / row["ms"], rel=0.1) for row in stages
    )
    assert done.json["images_per_second"] > 20 and done.json["batch"] == 24
    table = cmt(*words)
    assert "img/s per core" in table.out and "randaugment" in table.out
    assert cmt("data", "bench", "--data", "digits", *NANO, "--seconds", 0.2, "--json").json["stages"] == []


def test_check_counts_and_names(folder: Path, tmp_path: Path) -> None:
    done = cmt("data", "check", folder, "--json")
    assert done.code == 0
    train = done.json["splits"]["train"]
    assert train["images"] == 24 and train["by_class"] == {"ant": 12, "zebra": 12}
    assert train["kinds"] == {"JPEG RGB": 24} and train["sides"]["median"] == [53, 37]
    root = make_folder(tmp_path / "d", 2, 1)
    (root / "val" / "ant" / "000.jpg").write_bytes(b"nothing")
    done = cmt("data", "check", root)
    assert (
        done.code == 1 and "cannot read" in done.out and "val/ant/000.jpg: not an image of a kind" in done.out
    )
    assert "train: 4 images, 2 to 2 in each of 2 classes" in done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["preview", "--data", "nowhere", *NANO, "-o", "s.png"], "CMT-501"),
        (["preview", "--data", "digits", "--recipe", "cmt_s", "-o", "s.png"], "CMT-801"),
        (["preview", "--data", "digits", *NANO, "-o", "no/where/s.png"], "CMT-606"),
        (["bench", "--data", "nowhere", *NANO], "CMT-501"),
        (["check", "nowhere"], "CMT-501"),
        (["check", "digits"], "the digits are no folder"),
        (["pack", "nowhere", "--out", "x"], "CMT-501"),
    ],
)
def test_mistakes_end_in_one_message(tmp_path: Path, words: list[str], says: str) -> None:
    done = cmt("data", *words, cwd=tmp_path)
    assert done.code == 2 and says in done.err.replace("\n", " ")
    assert not list(tmp_path.iterdir())


def make_odd(root: Path) -> tuple[int, int]:
    """Images of every kind in classes of unusual names; how many train and validate."""
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8))
    deep = Image.fromarray(np.random.default_rng(1).integers(0, 65535, (30, 40), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = smooth(5).convert("RGBA")
    alpha.putalpha(9)
    odd = {
        "grey.jpg": encoded(smooth(1).convert("L"), "JPEG"),
        "cmyk.JPG": encoded(smooth(2).convert("CMYK"), "JPEG"),
        "rgba.png": encoded(alpha, "PNG"),
        "palette.png": encoded(smooth(3).convert("P"), "PNG", transparency=3),
        "deep.PNG": encoded(deep, "PNG"),
        "dot.png": encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
        "strip.png": encoded(smooth(4, 2000, 1), "PNG"),
        "huge.jpg": encoded(Image.new("RGB", (12_000, 9_000), "navy"), "JPEG", quality=20),
        "turned.jpeg": encoded(smooth(6), "JPEG", exif=exif),
        "web.webp": encoded(noisy, "WEBP"),
        "bitmap.bmp": encoded(noisy, "BMP"),
        "with space.jpg": encoded(noisy, "JPEG"),
    }
    for split in ("train", "val"):
        for name in ("Ж 猫", "café", "x.y"):
            place = root / split / name
            place.mkdir(parents=True)
            for file, content in odd.items():
                if file != "huge.jpg" or name == "x.y":
                    (place / file).write_bytes(content)
            (place / "notes.txt").write_text("bought in May")
            (place / "Thumbs.db").write_bytes(b"\x00thumbs")
            (place / "._grey.jpg").write_bytes(b"AppleDouble")
        (root / split / "__MACOSX").mkdir()
        (root / split / ".ipynb_checkpoints").mkdir()
    return 34, 34


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`cmt words` in a process of its own, for as long as it takes: MindSpore compiles a graph."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "runtime.cli", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def train(model: str, data: Path, *sets: str, cwd: Path) -> list[dict[str, Any]]:
    """Train into cwd/r by the recipe digits; what metrics.jsonl then holds."""
    sets = ("schedule.warmup_epochs=0", *sets)
    words = ["train", model, "--recipe", "digits", "--data", data, "--out", "r"]
    done = run(*words, *[word for text in sets for word in ("--set", text)], cwd=cwd)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (cwd / "r" / "metrics.jsonl").read_text().splitlines()]
    return [{"event": "said", "text": done.stdout}, *records]


@pytest.mark.mindspore
def test_a_folder_nobody_has_prepared_trains_and_validates(tmp_path: Path) -> None:
    data = tmp_path / "d"
    images, val = make_odd(data)
    sets = ["classes=3", "train.epochs=1", "train.batch=8"]
    said, meta, *_, end = train(ATOM, data, *sets, cwd=tmp_path)
    notes = ["left out of train/, no images by their endings: 3 .txt",
             "ignored in train/, as the system's by their names: 3 ._*, 3 Thumbs.db, 1 .*, 1 __MACOSX"]  # fmt: skip
    for line in (*notes, "each epoch leaves out 2 images, others each time: they fill no batch"):
        assert said["text"].count(line + "\n") == 1
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["data_notes"][:2] == notes
    assert meta["data_notes"] == end["data_notes"] and end["data_notes"][:2] == notes
    assert meta["classes"] == ["café", "x.y", "Ж 猫"]
    assert (meta["train_images"], meta["val_images"]) == (images, val)
    assert (end["images"], end["bad_images"], end["steps"]) == (val, [], 4)

    spoilt = data / "val" / "café" / "grey.jpg"
    spoilt.write_bytes(b"spoilt")
    validate = ["validate", "r/last.safetensors", "--data", data, "--json"]
    done = run(*validate, cwd=tmp_path)
    [problem] = json.loads(done.stdout)["problems"]
    assert done.returncode == 2 and problem["code"] == "CMT-503"
    assert "café/grey.jpg: not an image of a kind" in problem["message"]
    spoilt.unlink()
    done = run(*validate, cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["images"] == val - 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "r"]


@pytest.mark.mindspore
def test_bad_images_are_named_in_the_run_and_packed_files_validate_alike(tmp_path: Path) -> None:
    data = make_folder(tmp_path / "d")
    for bad in ("train/ant/003.jpg", "val/zebra/002.jpg"):
        (data / bad).write_bytes(b"spoilt")
    sets = ["classes=2", "train.epochs=1", "train.batch=24", "data.max_bad=2"]
    (tmp_path / "tiny.yaml").write_text(TINY)
    said, *records, end = train("tiny.yaml", data, *sets, cwd=tmp_path)
    assert "left out: cannot read" in said["text"] and end["images"] == 9
    assert [Path(name).parts[-3:] for name in end["bad_images"]] == [
        ("train", "ant", "003.jpg"),
        ("val", "zebra", "002.jpg"),
    ]
    named = [r for r in records if r["event"] == "bad_image"]
    assert [r["file"] for r in named] == end["bad_images"]
    assert [r["reason"][:12] for r in named] == ["not an image"] * 2

    packed = run("data", "pack", data, "--out", "packed", cwd=tmp_path)
    assert "24 training and 10 validation images" in packed.stdout
    done = run("validate", "r/last.safetensors", "--data", "packed", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (found["images"], len(found["bad_images"])) == (9, 1)
    assert found["loss"] == pytest.approx(end["val_loss"], abs=1e-5)
