"""Foreign, damaged and hostile files: one clear error, with a code, whatever they do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from cmt_dsl.errors import CmtError
from runtime.deploy.files import trial
from runtime.deploy.files.external import require_beside
from runtime.deploy.files.onnxfile import OnnxFile
from runtime.deploy.files.open import File
from runtime.deploy.files.screen import require_file, require_harmless
from runtime.deploy.files.told import told
from runtime.deploy.metadata import Metadata, Preprocessing
from runtime.infer.native import raised, said
from tests.runtime.deploy.files.made import classifier, write


def code(act: Callable[[], object]) -> str:
    with pytest.raises(CmtError) as found:
        act()
    text = str(found.value)
    assert text.isprintable() or "\n" in text
    return found.value.code


NOT_ONNX = {
    "empty": b"",
    "zip": b"PK\x03\x04" + bytes(60),
    "pickle": b"\x80\x02}q\x00.",
    "page": b"<!DOCTYPE html><html></html>",
    "xml": b'<?xml version="1.0"?><net/>',
    "pointer": b"version https://git-lfs.github.com/spec/v1\n",
    "safetensors": b"\x10\0\0\0\0\0\0\0" + b'{"__metadata__":{}}',
    "picture": b"\x89PNG\r\n",
    "library": b"\x7fELF" + bytes(60),
}


@pytest.mark.parametrize("content", NOT_ONNX.values(), ids=NOT_ONNX)
def test_what_is_no_onnx_is_named_before_anything_opens_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    assert code(lambda: require_file(tmp_path / "m.onnx", "ONNX")) == "CMT-858"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    for name in ("m.onnx", "gone.onnx", "pipe.onnx"):
        assert code(lambda name=name: File(tmp_path / name)) == "CMT-858"
    (tmp_path / "m.om").write_bytes(b"x")
    assert code(lambda: File(tmp_path / "m.om")) == "CMT-859"
    write(tmp_path / "good.onnx", classifier())
    assert code(lambda: File(tmp_path / "good.onnx", "mindspore")) == "CMT-859"


def test_every_cut_and_many_flips_end_in_an_error_or_open(tmp_path: Path) -> None:
    """In this process: the screen and ONNX Runtime raise only what `raised` knows."""
    whole = classifier().SerializeToString()
    rng, path = np.random.default_rng(0), tmp_path / "m.onnx"
    cuts = [whole[:n] for n in range(1, len(whole), 3)]
    flips: list[bytes] = []
    for _ in range(150):
        changed = bytearray(whole)
        changed[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        flips.append(bytes(changed))
    refused = 0
    for content in (*cuts, *flips, *(rng.bytes(200) for _ in range(30))):
        path.write_bytes(content)
        try:
            require_file(path, "ONNX")
            OnnxFile(path, "onnxruntime", 1)
        except CmtError as error:
            assert error.code in ("CMT-858", "CMT-859")
            refused += 1
        except raised() as error:
            assert 0 < len(said(error)) < 320
            refused += 1
    assert refused > len(cuts) * 0.9


def _domain(model: ModelProto) -> None:
    model.graph.node[1].domain = "evil.ops"


def _context(model: ModelProto) -> None:
    model.graph.node[1].domain, model.graph.node[1].op_type = "com.microsoft", "EPContext"


def _huge(model: ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]


def _negative(model: ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [-3, 10]


def _lying(model: ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [300, 10]


def _untyped(model: ModelProto) -> None:
    model.graph.initializer[0].data_type = 99


def _image(model: ModelProto) -> None:
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        dim.dim_value = 1 << 30


def _bare(model: ModelProto) -> None:
    del model.graph.node[:]


def _external(location: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location

    return change


def _deep(model: ModelProto) -> None:
    graph = model.graph
    for _ in range(20):
        outer = helper.make_graph([], "g", [], [])
        outer.node.append(helper.make_node("If", ["c"], ["y"], then_branch=graph))
        graph = outer
    model.graph.CopyFrom(graph)
    model.graph.output.add().name = "y"


HOSTILE = {
    "unknown domain": (_domain, "CMT-859"),
    "a context outside": (_context, "CMT-859"),
    "absurd weight": (_huge, "CMT-858"),
    "negative weight": (_negative, "CMT-858"),
    "a weight that is not there": (_lying, "CMT-858"),
    "a type that is none": (_untyped, "CMT-858"),
    "absurd image": (_image, "CMT-858"),
    "no nodes": (_bare, "CMT-858"),
    "nested": (_deep, "CMT-859"),
    "absolute": (_external("/etc/passwd"), "CMT-859"),
    "above": (_external("../../x"), "CMT-859"),
    "above, inside": (_external("a/../../x"), "CMT-859"),
    "windows": (_external("C:\\x"), "CMT-859"),
    "share": (_external("\\\\host\\x"), "CMT-859"),
    "nameless": (_external(""), "CMT-859"),
    "zero": (_external("a\0b"), "CMT-859"),
    "linked": (_external("link"), "CMT-859"),
    "by a linked folder": (_external("folder/passwd"), "CMT-859"),
    "gone": (_external("gone"), "CMT-858"),
}


@pytest.mark.parametrize(("change", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_file_may_not_ask_for(
    tmp_path: Path, change: Callable[[ModelProto], None], expected: str
) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    model = classifier()
    change(model)
    assert code(lambda: require_harmless(model, tmp_path / "m.onnx")) == expected


@pytest.mark.parametrize("where", [("0", "9"), ("9", None), ("-1", "2"), ("x", "2"), ("1" * 30, None)])
def test_data_beside_ends_where_its_file_does(tmp_path: Path, where: tuple[str, str | None]) -> None:
    (tmp_path / "w").write_bytes(bytes(8))
    assert require_beside(tmp_path / "m.onnx", "w", "0", "8") == tmp_path / "w"
    assert code(lambda: require_beside(tmp_path / "m.onnx", "w", *where)) == "CMT-858"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("cmt.input", "float64"),
        ("cmt.output", "boxes"),
        ("cmt.precision", "fp4"),
        ("cmt.classes", "["),
        ("cmt.classes", "[" * 100_000),
        ("cmt.classes", "[1, 2]"),
        ("cmt.classes", "[]"),
        ("cmt.classes", '["a", "a"]'),
        ("cmt.preprocessing", "[]"),
        ("cmt.preprocessing", '{"mean": [0.5], "std": [0], "size": [8, 8]}'),
        ("cmt.preprocessing", '{"mean": [0.5], "std": [1e999], "size": [8, 8]}'),
        ("cmt.preprocessing", '{"mean": [0.5], "std": [1], "size": [8, 1e9]}'),
        ("cmt.preprocessing", '{"mean": [0.5], "std": [1], "size": [8, 8], "crop": 2}'),
        ("cmt.spec", "x" * 5_000_000),
    ],
)
def test_odd_words_of_a_file_are_not_believed(key: str, text: str) -> None:
    assert code(lambda: told({key: text}, "m.onnx")) == "CMT-858"


def test_what_is_written_is_read_back() -> None:
    how = Preprocessing((0.5, 0.4, 0.3), (0.2, 0.2, 0.2), (8, 9), "bilinear", 0.9)
    said = Metadata(
        "model: x", "f" * 64, how, ("a", "«犬»"), "1", "ort", "int8", "uint8 NHWC", "probabilities"
    )
    assert told(said.props(), "m.onnx") == said
    assert told({"foreign": "words"}, "m.onnx") == Metadata()


def test_a_crash_a_hang_and_a_flood_end_the_child_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "m.onnx", classifier())
    ends = {
        "import os; os.kill(os.getpid(), 11)": "SIGSEGV",
        "import os; os.abort()": "SIGABRT",
        "import sys; sys.exit('no room')": "no room",
        "import time; time.sleep(60)": "longer than",
        "x = bytearray(1 << 28); import time; time.sleep(60)": "memory",
    }
    for start, expected in ends.items():
        monkeypatch.setattr(trial, "_START", start)
        monkeypatch.setattr(trial, "USUAL_PATIENCE", 60.0 if expected == "memory" else 4.0)
        monkeypatch.setattr(trial, "BASE_MEMORY", 1 << 27)
        with pytest.raises(CmtError, match=expected) as found:
            trial.Trial(path, "onnxruntime", 0)
        assert found.value.code == "CMT-861"
