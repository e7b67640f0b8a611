"""Two programs image by image: checkpoints, ONNX and OpenVINO files, ours and foreign ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from onnx import numpy_helper

from runtime.checkpoint.file import save_checkpoint
from runtime.deploy.files.open import File
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.runtime.deploy.files.made import classifier, write
from tests.tiny import ATOM

DATA = ("--data", "digits", "--limit", "20")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its exports, and foreign files."""
    folder = tmp_path_factory.mktemp("verify")
    made = replace(checkpoint_of(Path(ATOM).read_text()), classes=tuple("0123456789"), recipe={})
    save_checkpoint(folder / "m.safetensors", made)
    for extra in (["onnx", "-o", "m.onnx"], ["onnx", "--preprocess", "-o", "p.onnx"], ["openvino", "-o", "ov"],
                  ["onnx", "--batch", "3", "-o", "three.onnx"]):  # fmt: skip
        assert cmt("export", "m.safetensors", "--format", *extra, cwd=folder).code == 0
    write(folder / "foreign.onnx", classifier())
    write(folder / "other.onnx", classifier(seed=1))
    return folder


@pytest.mark.parametrize(
    "b",
    [["m.onnx"], ["m.onnx", "--backend-b", "openvino"], ["p.onnx"], ["ov"], ["ov/model.xml"], ["three.onnx"]],
    ids=" ".join,
)
def test_an_export_is_its_checkpoint(room: Path, b: list[str]) -> None:
    done = cmt("verify-export", "m.safetensors", *b, *DATA, "--json", cwd=room)
    assert done.code == 0, done.err
    found = done.json
    assert found["agree"] and found["images"] == 20 and found["same_top1"] == 1 and found["relative"] < 1e-4
    assert found["compared"] == ("probabilities" if b[0] == "p.onnx" else "logits")
    assert found["top1"][0] == found["top1"][1]


def test_other_numbers_are_told_with_who_is_right_and_exit_1(room: Path) -> None:
    done = cmt(
        "verify-export", "foreign.onnx", "other.onnx", *DATA, "-o", "rows.csv", "--overwrite", cwd=room
    )
    assert done.code == 1 and "DISAGREE" in done.out and "neither" in done.out, done.err
    lines = (room / "rows.csv").read_text().splitlines()
    assert len(lines) == 21 and lines[1].startswith("scan ")
    done = cmt("verify-export", "foreign.onnx", "other.onnx", *DATA, "--allowed", "1e9", "--json", cwd=room)
    found = done.json
    assert done.code == 0 and sum(found["right"].values()) == len(found["differing"]) > 0
    assert found["largest"] == max(row["largest"] for row in found["differing"]) or found["largest"] > 0


def test_a_file_is_itself_in_two_runtimes(room: Path) -> None:
    done = cmt("verify-export", "foreign.onnx", "foreign.onnx", "--backend-b", "openvino", *DATA, cwd=room)
    assert done.code == 0 and "they agree" in done.out, done.err


def test_logits_that_are_no_numbers_are_no_agreement(room: Path) -> None:
    model = classifier()
    weight = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weight[0, 0] = float("nan")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "weight"))
    write(room / "nan.onnx", model)
    done = cmt("verify-export", "foreign.onnx", "nan.onnx", *DATA, "--json", cwd=room)
    assert done.code == 1 and done.json["broken"] == [0, 20]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["m.safetensors", "foreign.onnx"], "CMT-860"),
        (["m.safetensors", "m.onnx", "--backend-b", "mindspore"], "CMT-859"),
        (["m.safetensors", "m.onnx", "--backend-a", "nobody"], "CMT-840"),
        (["cut.onnx", "m.onnx"], "CMT-858"),
        (["m.safetensors", "m.onnx", "-o", "m.safetensors.csv/x.csv"], "CMT-606"),
        (["two.onnx", "foreign.onnx"], "CMT-860"),
        (["broken.onnx", "foreign.onnx"], "CMT-861"),
    ],
)
def test_odd_arguments_and_files_end_in_one_error(room: Path, args: list[str], code: str) -> None:
    (room / "cut.onnx").write_bytes((room / "m.onnx").read_bytes()[:900])
    two = classifier()
    two.graph.input.append(two.graph.input[0])
    two.graph.input[1].name = "z"
    write(room / "two.onnx", two)
    broken = classifier()
    broken.graph.node[1].op_type = "Nothing"
    write(room / "broken.onnx", broken)
    done = cmt("verify-export", *args, *DATA, cwd=room)
    assert done.code == 2 and f"[{code}]" in done.err and done.err.count("[CMT-") == 1, done.err


def test_an_exported_file_is_no_checkpoint_and_the_error_says_what_compares_it(room: Path) -> None:
    done = cmt("validate", "m.onnx", "--data", "digits", "--backend", "numpy", cwd=room)
    assert done.code == 2 and "CMT-632" in done.err and "cmt verify-export" in done.err


def test_a_closed_file_leaves_no_process(room: Path) -> None:
    with File(room / "foreign.onnx") as file:
        process = file._trial._process
        assert process.poll() is None
    assert process.poll() is not None
