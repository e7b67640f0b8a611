"""Every number of a report is the run's own; predictions add up, are kept, and are not trusted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import save_checkpoint
from runtime.cli.app import app
from runtime.infer.backend import backend
from runtime.report.curves import points
from runtime.report.judge import HARDEST, SAMPLES, better_weights, judge, predictions_of
from runtime.report.payload import payload
from runtime.report.plot import curves_picture
from runtime.report.predictions import Predictions, read_predictions
from runtime.run.directory import BEST, Metrics
from runtime.run.record import PREDICTIONS, read_run
from runtime.run.table import columns
from tests.runtime.report.made import checkpoint_of, complete, epoch, events, run_of, validated


def data_of(*folders: Path) -> dict[str, Any]:
    runs = [read_run(folder) for folder in folders]
    return payload(
        runs, [str(folder) for folder in folders], [read_predictions(folder) for folder in folders]
    )


def series(data: dict[str, Any], run: int = 0) -> dict[str, list[Any]]:
    lines = [line for chart in data["charts"] for line in chart["lines"] if line["run"] == run]
    return {line["key"]: [tuple(point) for point in line["points"]] for line in lines}


def test_the_table_is_that_of_the_json_and_curves_are_those_of_the_metrics(tmp_path: Path) -> None:
    folders = [complete(tmp_path / "a"), complete(tmp_path / "b", 5)]
    told = CliRunner().invoke(app, ["report", *map(str, folders), "--json"])
    data = data_of(*folders)
    expected = [columns({k: v for k, v in one.items() if k != "run"}) for one in json.loads(told.stdout)]
    for row in data["table"]:
        assert row["values"] == [texts[row["key"]] for texts in expected]
    assert len(data["table"]) == len(expected[0])
    for index, folder in enumerate(folders):
        found = series(data, index)
        assert set(found) == {"train_loss", "val_loss", "top1", "top5", "lr", "images_per_second"}
        for key, line in found.items():
            assert line == [(e["epoch"], e[key]) for e in events(folder) if e["event"] == "epoch"]
    assert [run["state"] for run in data["runs"]] == ["complete", "complete"]
    differing = {row["key"] for row in data["recipe"] if row["differs"]}
    assert differing == {"train.epochs"}
    assert {row["key"]: row["values"] for row in data["recipe"]}["train.epochs"] == ["3", "5"]


def test_a_resumed_run_has_each_epoch_once_and_its_loss_scale(tmp_path: Path) -> None:
    log = run_of(tmp_path / "r")
    epoch(log, 1, 1024.0)
    epoch(log, 2, 1024.0, **validated(1))
    own = ("event", "time", "versions", "machine", "command")  # what Metrics adds
    meta = {key: value for key, value in read_run(tmp_path / "r").meta.items() if key not in own}
    again = Metrics(tmp_path / "r", "resumed", **{**meta, "step": 22})
    epoch(again, 2, 1024.0, **validated(2))  # a kill came between the record and the checkpoint
    again.write("stopped", step=50, epoch=3)
    run = read_run(tmp_path / "r")
    assert points(run, "top1") == [(2, 0.75)] and points(run, "loss_scale") == [(1, 1024.0), (2, 1024.0)]
    data = data_of(tmp_path / "r")
    assert "Loss scale" in [chart["title"] for chart in data["charts"]]
    assert [what for _, what in data["runs"][0]["history"]] == [
        "started", "graph compiled in 3.5 s", "resumed after step 22", "stopped in epoch 3, after step 50",
    ]  # fmt: skip


def test_runs_that_go_on_and_that_failed_are_reported(tmp_path: Path) -> None:
    run_of(tmp_path / "young")
    log = run_of(tmp_path / "failed")
    epoch(log, 1)
    log.write("failed", step=30, code="CMT-702", reason="the loss became nan by step 30")
    data = data_of(tmp_path / "young", tmp_path / "failed")
    assert [run["state"] for run in data["runs"]] == ["running", "failed"]
    assert "failed after step 30: the loss became nan by step 30" in data["runs"][1]["history"][-1][1]
    assert series(data, 0) == {} and set(series(data, 1)) == {"train_loss", "lr", "images_per_second"}
    with pytest.raises(CmtError) as found:
        curves_picture([read_run(tmp_path / "young")], ["young"])
    assert found.value.code == "CMT-833"
    assert curves_picture([read_run(tmp_path / "failed")], ["$\\frac$"]).startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Predictions]:
    folder = complete(tmp_path_factory.mktemp("judged") / "run")
    found, known = predictions_of(folder, "digits", by=backend("numpy"))
    assert not known
    return folder, found


def test_rows_of_the_confusion_matrix_add_up_to_the_classes(judged: tuple[Path, Predictions]) -> None:
    from runtime.data.open import open_source
    from runtime.data.source import View

    folder, found = judged
    labels = np.concatenate([b.labels[: b.count] for b in open_source("digits", View(3, 16, 16, 1)).val(64)])
    assert [row[0] for row in found.rows] == labels.tolist()
    confusion = found.confusion()
    rows = [sum(confusion[(t, g)] for g in range(10)) for t in range(10)]
    assert rows == found.counts() == np.bincount(labels, minlength=10).tolist()
    assert sum(confusion[(c, c)] for c in range(10)) / 360 == found.top1
    data = data_of(folder)["predictions"][0]
    assert sum(n for _, _, n in data["cells"]) == data["images"] == 360 and data["whole"]


def test_the_hardest_are_those_with_the_least_probability(judged: tuple[Path, Predictions]) -> None:
    _, found = judged
    hardest = [s for s in found.shown if s.why == "hardest"]
    own = sorted(row[3] for row in found.rows)
    assert [found.rows[s.index][3] for s in hardest] == own[:HARDEST]
    assert len([s for s in found.shown if s.why == "sample"]) == SAMPLES
    for shown in found.shown:
        assert shown.top[0] == (found.rows[shown.index][1], found.rows[shown.index][2])
        assert re.fullmatch(r"scan \d+", shown.name) and shown.image.startswith("data:image/png;base64,")


def test_predictions_are_made_once_for_a_checkpoint(judged: tuple[Path, Predictions]) -> None:
    folder, found = judged
    assert read_predictions(folder) == found
    assert predictions_of(folder, "digits", by=backend("numpy")) == (found, True)
    changed = checkpoint_of(epoch=4)
    changed.arrays["head.fc.bias"][:] = -9
    changed.arrays["head.fc.bias"][7] = 9
    save_checkpoint(folder / BEST, changed)
    other, known = predictions_of(folder, "digits", by=backend("numpy"))
    assert not known and {row[1] for row in other.rows} == {7} and other.facts["epoch"] == 4
    assert data_of(folder)["predictions"][0]["stale"]  # the metrics still say 3
    save_checkpoint(folder / BEST, checkpoint_of())


def test_the_images_that_are_shown_have_their_own_names(tmp_path: Path) -> None:
    from PIL import Image

    from runtime.data.open import open_source
    from runtime.data.source import View
    from runtime.recipe.schema import DataGroup

    for split in ("train", "val"):
        for shade, name in enumerate("abcde"):
            (tmp_path / split / "xy"[shade % 2]).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 48), (50 * shade,) * 3).save(
                tmp_path / split / "xy"[shade % 2] / f"{name}.png"
            )
    (tmp_path / "val" / "x" / "c.png").write_bytes(b"nothing")
    source = open_source(str(tmp_path), View(3, 64, 64, 1.0), group=DataGroup(max_bad=1))
    found = judge(lambda images: np.stack([images.mean((1, 2, 3)), 0 * images[:, 0, 0, 0]], 1), source, 2)
    assert [row[0] for row in found.rows] == [0, 0, 1, 1] and found.facts["bad_images"] == 1
    samples = [s for s in found.shown if s.why == "sample"]
    assert [Path(s.name).name for s in samples] == ["a.png", "e.png", "b.png", "d.png"]
    hardest = [Path(s.name).name for s in found.shown if s.why == "hardest"]
    assert hardest == ["a.png", "d.png", "b.png", "e.png"]  # black in x, light grey in y are wrong
    assert all(s.image.startswith("data:image/jpeg;base64,") for s in found.shown)


@pytest.mark.mindspore
def test_both_backends_say_the_same(judged: tuple[Path, Predictions]) -> None:
    folder, found = judged
    (folder / PREDICTIONS).unlink(missing_ok=True)
    other, _ = predictions_of(folder, "digits", by=backend("mindspore"))
    assert other.facts["backend"] == "mindspore"
    assert np.allclose([r[2:] for r in other.rows], [r[2:] for r in found.rows], atol=2e-5)
    assert other.top1 == pytest.approx(found.top1, abs=1 / 360)


def test_the_better_weights_are_judged() -> None:
    raw = checkpoint_of()
    both = replace(raw, ema=raw.arrays)
    assert (
        better_weights(raw) == better_weights(replace(both, metrics={"top1": 0.5, "ema_top1": 0.5})) == "raw"
    )
    assert better_weights(replace(both, metrics={"top1": 0.5, "ema_top1": 0.6})) == "ema"
    assert better_weights(replace(both, metrics={})) == "raw"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format":1', '"format":2'),
        ('"rows":[[', '"rows":[[99,'),
        ('"rows":[[', '"rows":[[0,0,"x",0],['),
        ("data:image/png", "https://example.invalid/"),
        ('"shown":[', '"shown":[7,'),
        ('"kind":"cmt-dsl predictions",', ""),
        ("{", "["),
    ],
)
def test_a_damaged_file_of_predictions_is_refused(
    judged: tuple[Path, Predictions], tmp_path: Path, old: str, new: str
) -> None:
    from runtime.report.predictions import write_predictions

    text = write_predictions(tmp_path, judged[1]).read_text()
    assert old in text
    (tmp_path / PREDICTIONS).write_text(text.replace(old, new, 1))
    with pytest.raises(CmtError) as found:
        read_predictions(tmp_path)
    assert found.value.code == "CMT-830" and found.value.problems[0].hint


def test_a_run_without_a_checkpoint_cannot_be_judged(tmp_path: Path) -> None:
    run_of(tmp_path / "r")
    with pytest.raises(CmtError) as found:
        predictions_of(tmp_path / "r", "digits", by=backend("numpy"))
    assert found.value.code == "CMT-831"


def test_the_verb_writes_pages_and_pictures(judged: tuple[Path, Predictions], tmp_path: Path) -> None:
    def report(*words: str) -> Any:
        return CliRunner().invoke(app, ["report", str(judged[0]), *words])

    page, picture = tmp_path / "r.html", tmp_path / "c.png"
    done = report("-o", str(page), "--data", "digits", "--backend", "numpy")
    assert done.exit_code == 0, done.output
    assert page.read_text().startswith("<!DOCTYPE html>") and page.stat().st_size < 1_500_000
    assert report("-o", str(picture)).exit_code == 0 and picture.read_bytes().startswith(b"\x89PNG")
    assert "acc@top1" in report().stdout
    for words in (["-o", "r.pdf"], ["--data", "digits"], ["-o", str(picture), "--data", "digits"]):
        assert report(*words).exit_code == 2
