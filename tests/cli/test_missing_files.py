"""A missing path is an error everywhere: every verb, every argument that names a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cli.app import PANELS
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, saved

GONE, GOOD, OUT = "GONE", "GOOD", "OUT"
"""Stand for a path where nothing is, a sound checkpoint, and a path to write to."""
TRAIN = ["--recipe", "digits", "--data", "digits", "--out", OUT]

MISSING: dict[str, list[list[str]]] = {
    "check": [[f"{GONE}.yaml"], ["cmt_s", GONE]],
    "show": [[f"{GONE}.yaml"]],
    "cost": [[f"{GONE}.yaml"]],
    "resolve": [[f"{GONE}.yaml"]],
    "draw": [[f"{GONE}.yaml"], [f"{GONE}.yaml", "--format", "html", "-o", OUT]],
    "compare": [["cmt_s", f"{GONE}.yaml"]],
    "compile": [[f"{GONE}.yaml"], [f"{GONE}.yaml", "--emit", OUT]],
    "train": [
        [f"{GONE}.yaml", *TRAIN],
        ["cmt_nano", "--recipe", f"{GONE}.yaml", "--data", "digits", "--out", OUT],
        ["cmt_nano", "--recipe", "digits", "--data", GONE, "--out", OUT],
        ["cmt_nano", *TRAIN, "--resume"],
        ["cmt_nano", *TRAIN, "--init", f"{GONE}.pth"],
    ],
    "validate": [[GONE, "--data", "digits"]],
    "inspect": [[GONE], [f"{GONE}.safetensors"], [GONE, "--print-spec"], [GONE, "--json"]],
    "verify": [[GONE], [GOOD, "--spec", f"{GONE}.yaml"], [GOOD, "--spec", GONE]],
    "diff": [
        [f"{GONE}.safetensors", GOOD],
        [GOOD, f"{GONE}.safetensors"],
        [GOOD, GONE],
        ["cmt_s", f"{GONE}.yaml"],
    ],
    "convert": [[f"{GONE}.pth", "--to", "native", "-o", OUT], [GONE, "--to", "native", "-o", OUT]],
    "adapt": [[GONE, "--classes", "3", "-o", OUT]],
    "run": [[GONE, "--input", "x.npy", "-o", OUT], [GOOD, "--input", f"{GONE}.npy", "-o", OUT]],
    "export": [
        [GONE, "--format", "onnx", "-o", f"{OUT}.onnx"],
        [GOOD, "--format", "hub", "-o", f"{GONE}/out"],
    ],
    "features": [[GONE, "--data", "digits", "--at", "stages.0", "-o", OUT]],
    "report": [[GONE], [GONE, "--json"], [GONE, "-o", f"{OUT}.html"], [GONE, "-o", f"{OUT}.png"]],
    "predict": [[GONE, GOOD], [GOOD, f"{GONE}/*.png"], [GONE, GOOD, "--html", OUT]],
    "verify-export": [
        [GONE, GOOD, "--data", "digits"],
        [GOOD, f"{GONE}.onnx", "--data", "digits"],
        [f"{GONE}.xml", GOOD, "--data", "digits"],
    ],
    "optimise": [[f"{GONE}.yaml"], [f"{GONE}.safetensors"], [f"{GONE}.pth", "--explain"]],
    "average": [[GOOD, GONE, "-o", OUT], [GONE, GOOD, "-o", OUT]],
}
NO_FILES = {"list", "schema", "doctor", "launch"}


def test_every_verb_is_looked_at() -> None:
    """A new verb belongs into one of the two."""
    groups = {"recipe", "weights", "data", "bench"}
    verbs = {name for verbs in PANELS.values() for name in verbs} - groups
    assert verbs == set(MISSING) | NO_FILES


@pytest.mark.parametrize(
    ("verb", "given"), [(verb, given) for verb, all_ in MISSING.items() for given in all_]
)
def test_a_missing_path(tmp_path: Path, verb: str, given: list[str]) -> None:
    """Exit code 2, one message that says what is missing and a code, and nothing is written."""
    saved(tmp_path / "good", checkpoint_of(SMALL))
    names = {GONE: "gone", GOOD: "good", OUT: "out"}
    args = given
    for word, name in names.items():
        args = [arg.replace(word, name) for arg in args]
    done = cmt(verb, *args, cwd=tmp_path)
    told = done.out + done.err
    assert done.code == 2 and "CMT-" in told and "Traceback" not in told
    assert "gone" in told or ("--resume" in given and "out holds no checkpoint" in told), told
    assert [p.name for p in tmp_path.iterdir()] == ["good"]
