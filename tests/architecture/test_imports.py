"""What may import what, checked in fresh processes and by import-linter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import ROOT

HEAVY = {"numpy", "networkx", "mindspore", "torch", "onnx", "scipy", "sklearn", "PIL"}
TELL = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
COMMAND = "import sys; sys.argv = ['cmt', *{args!r}]\nfrom runtime.cli.app import main\ntry: main()\nexcept SystemExit as e: assert not e.code, e.code\n"


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{TELL}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import cmt_dsl",
        "import cmt_dsl.weights.names, cmt_dsl.draw, cmt_dsl.spec, cmt_dsl.ops; cmt_dsl.ops.registry()",
        "import cmt_dsl; g = cmt_dsl.build(cmt_dsl.load('cmt_b')); cmt_dsl.cost(g); g.fingerprint; g.params",
        COMMAND.format(args=["check", "cmt_b"]),
        COMMAND.format(args=["cost", "cmt_b"]),
        COMMAND.format(args=["cost", "cmt_b", "--json"]),
        COMMAND.format(args=["show", "cmt_b", "--level", "op"]),
        COMMAND.format(args=["draw", "cmt_b", "--level", "op"]),
        COMMAND.format(args=["diff", "cmt_s", "cmt_b"]),
        COMMAND.format(args=["list"]),
        COMMAND.format(args=["resolve", "cmt_b"]),
    ],
)
def test_no_framework_and_no_numpy(code: str) -> None:
    found = modules_after(code)
    assert "cmt_dsl" in found
    assert found & HEAVY == set()


def test_writing_source_needs_no_mindspore(tmp_path: Path) -> None:
    found = modules_after(COMMAND.format(args=["compile", "cmt_nano", "--emit", str(tmp_path / "m.py")]))
    assert found & {"mindspore", "torch", "onnx"} == set()


def test_foreign_weights_need_no_framework(tmp_path: Path) -> None:
    file = ROOT / "tests/runtime/checkpoint/data/run.pth"
    read = f"from pathlib import Path; from runtime.checkpoint.formats.foreign import read_foreign; read_foreign(Path({str(file)!r}))"
    imports = "import runtime.checkpoint.convert, runtime.checkpoint.change.adapt, runtime.checkpoint.formats.mindfile, runtime.cli.weights"
    assert modules_after(f"{read}\n{imports}") & {"mindspore", "torch", "onnx", "google"} == set()


def test_layers() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    assert tool.exists(), "import-linter is not installed: pip install 'cmt-dsl[dev]'"
    done = subprocess.run(
        [tool, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
