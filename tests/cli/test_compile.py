"""`cmt compile --emit`: the file is the model, and stands alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmt_dsl import build, load, source
from cmt_dsl.spec import load_document
from tests.cli.cmt import cmt, process


def test_the_file_is_the_source_of_the_graph(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    done = cmt("compile", "cmt_ti", "--emit", file, "--json")
    text = file.read_text()
    assert text == source(build(load("cmt_ti")))
    assert done.json["file"] == str(file)
    assert done.json["lines"] == len(text.splitlines())
    assert done.json["classes"] == sum(isinstance(n, ast.ClassDef) for n in ast.parse(text).body)
    assert done.json["fingerprint"] == build(load("cmt_ti")).fingerprint


def test_a_dash_is_stdout() -> None:
    assert cmt("compile", "cmt_nano", "--emit", "-").out == source(build(load("cmt_nano")))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cmt("compile", "cmt_nano", "--emit", tmp_path / "file" / "model.py")
    assert done.code == 2
    assert "[CMT-" in done.err


@pytest.mark.mindspore
def test_the_emitted_file_runs_alone(tmp_path: Path) -> None:
    file = tmp_path / "network.py"
    assert cmt("compile", "example_parallel", "--emit", file).code == 0
    program = (
        "import sys; sys.path.insert(0, '.'); sys.modules['cmt_dsl'] = None\n"  # as where it is not installed
        "import numpy as np, mindspore as ms\nms.set_context(mode=ms.GRAPH_MODE)\nimport network\n"
        "y = network.Model()(ms.Tensor(np.zeros((2, 3, 32, 32), np.float32)))\n"
        "assert not any(name.split('.')[0] in ('cmt_dsl', 'runtime') for name in sys.modules if name != 'cmt_dsl')\n"
        "print(y.shape, bool(np.isfinite(y.asnumpy()).all()))\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "(2, 10) True"


@pytest.mark.mindspore
def test_compile_without_a_file_runs_one_image() -> None:
    done = process("compile", "cmt_nano", "--json")
    assert done.code == 0, done.err
    assert {"cell_seconds", "compile_seconds", "image_seconds", "device"} <= done.json.keys()
    assert done.err == ""


@pytest.mark.parametrize("kind", ["models", "blocks", "profiles", "recipes"])
def test_shipped_files_have_keys_of_their_schema(kind: str) -> None:
    described = cmt("schema", kind.removesuffix("s")).json
    for name in cmt("list", kind, "--json").json[kind]:
        keys = load_document(name, kind).items
        assert set(keys) <= set(described["properties"]), name
        base = {"model"} if "extends" in keys else set(described["required"])
        missing = base - set(keys)
        assert not missing, name
