"""A folder for hubs: whole by itself, and the verbs work from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from cmt_dsl import build, cost, load
from runtime.checkpoint.file import load_checkpoint, save_checkpoint
from runtime.checkpoint.load import load_weights
from runtime.deploy.export.export import export
from runtime.deploy.export.wish import wish
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.runtime.deploy.export.conftest import random_statistics
from tests.tiny import PICO


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hub")
    whole = replace(random_statistics(checkpoint_of(PICO)), classes=tuple("0123456789"), source="digits")
    save_checkpoint(place / "d.safetensors", whole)
    done = cmt("export", place / "d.safetensors", "--format", "hub", "-o", place / "out", "--license", "mit")
    assert done.code == 0, done.err
    return place / "out"


def test_its_files(folder: Path) -> None:
    names = {p.name for p in folder.iterdir()}
    assert names == {"model.safetensors", "config.json", "README.md", "cmt_pico.yaml", "model.svg"}
    assert (folder / "model.svg").read_bytes().lstrip().startswith(b"<?xml")
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []


def test_the_weights_are_the_trained_ones(folder: Path) -> None:
    before, after = (
        load_checkpoint(p) for p in (folder.parent / "d.safetensors", folder / "model.safetensors")
    )
    assert before.arrays.keys() == after.arrays.keys() and before.fingerprint == after.fingerprint
    assert all(np.array_equal(before.arrays[k], after.arrays[k]) for k in before.arrays)


def test_the_spec_stands_alone(folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    assert build(load(folder / told["spec"])).fingerprint == told["fingerprint"]


def test_the_configuration(folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    assert (
        told["architecture"] == "cmt_pico" and told["num_classes"] == 10 and told["input_size"] == [3, 16, 16]
    )
    assert told["id2label"]["7"] == "7" and told["label2id"]["7"] == 7
    assert told["interpolation"] == "bilinear" and len(told["mean"]) == 3


def test_the_card(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    told = yaml.safe_load(front)
    assert told["license"] == "mit" and told["library_name"] == "cmt-dsl" and "accuracy" in told["metrics"]
    assert told["model-index"][0]["results"][0]["metrics"][0]["value"] == 50
    total = cost(build(load(folder / "cmt_pico.yaml"))).total
    assert f"{total.macs:,}" in body and f"{total.trainable:,}" in body
    assert "```mermaid\n" in body and "50.00%" in body and "onnx_client.py" in body


def test_the_verbs_work_from_it(folder: Path) -> None:
    done = cmt("validate", folder / "model.safetensors", "--data", "digits", "--backend", "numpy", "--json")
    assert done.code == 0 and done.json["images"] == 360


def test_a_hub_folder_is_replaced_and_no_other(folder: Path, tmp_path: Path) -> None:
    file, own = folder.parent / "d.safetensors", tmp_path / "mine"
    own.mkdir()
    (own / "diary.txt").write_text("dear diary")
    done = cmt("export", file, "--format", "hub", "-o", own, "--overwrite")
    assert done.code == 2 and "CMT-637" in done.err and (own / "diary.txt").read_text() == "dear diary"
    done = cmt("export", file, "--format", "hub", "-o", folder, "--overwrite", "--license", "mit")
    assert done.code == 0, done.err


def test_nothing_is_made_over_its_own_source(folder: Path) -> None:
    done = cmt("export", folder / "model.safetensors", "--format", "hub", "-o", folder, "--overwrite")
    assert done.code == 2 and "CMT-637" in done.err and "holds, the file that is read" in done.err


def test_without_a_licence_without_names_without_graphviz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in the card and to the user; the folder is made all the same."""
    monkeypatch.setattr("cmt_dsl.draw.render.engines", list)
    whole = replace(random_statistics(checkpoint_of(PICO)), classes=(), metrics={})
    save_checkpoint(tmp_path / "d.safetensors", whole)
    made = export(load_weights(tmp_path / "d.safetensors"), wish("hub"), tmp_path / "out")
    notes = " ".join(made.notes)
    assert "licence" in notes and "--classes" in notes and "Graphviz" in notes
    text = (tmp_path / "out/README.md").read_text()
    assert "license: other" in text and "model.svg" not in text and "```mermaid" in text
    assert json.loads((tmp_path / "out/config.json").read_text())["id2label"]["3"] == "3"


def test_the_licence_of_published_weights(tmp_path: Path) -> None:
    whole = replace(random_statistics(checkpoint_of(PICO)), origin={"license": "Apache-2.0"})
    save_checkpoint(tmp_path / "d.safetensors", whole)
    export(load_weights(tmp_path / "d.safetensors"), wish("hub"), tmp_path / "out")
    assert "license: Apache-2.0\n" in (tmp_path / "out/README.md").read_text()
