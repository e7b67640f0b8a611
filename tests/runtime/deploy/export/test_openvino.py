"""OpenVINO's files: a folder whose two files belong together, in three precisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from cmt_dsl import run
from runtime.checkpoint.load import Imported
from runtime.deploy.export.compare import BOUNDS, difference
from runtime.deploy.export.export import export
from runtime.deploy.export.runtimes import computes_bf16, in_openvino
from runtime.deploy.export.wish import wish


def weights_by_type(path: Path) -> dict[str, int]:
    """Bytes of floating-point constants of more than a few numbers."""
    found: dict[str, int] = {}
    for node in ov.Core().read_model(path).get_ordered_ops():
        kind = node.get_element_type().get_type_name() if node.get_type_name() == "Constant" else ""
        if kind in ("f32", "f16", "bf16") and np.prod(node.get_output_shape(0)) >= 64:
            found[kind] = found.get(kind, 0) + int(np.prod(node.get_output_shape(0)))
    return found


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "f32"), ("fp16", "f16"), ("bf16", "bf16")])
def test_it_computes_the_same_from_weights_of_its_precision(
    tmp_path: Path, found: Imported, precision: Any, kind: str
) -> None:
    out = tmp_path / "m"
    made = export(found, wish("openvino", precision=precision), out)
    assert {p.name for p in out.iterdir()} == {"model.xml", "model.bin"}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert set(weights_by_type(out / "model.xml")) == {kind}
    assert made.difference is not None and made.difference.largest < BOUNDS[precision]
    if precision != "fp32":
        assert made.difference.largest > 1e-5  # something was rounded
    images = np.random.default_rng(1).standard_normal((5, 3, 16, 16)).astype(np.float32)
    given = in_openvino(out / "model.xml")(images)
    assert difference(given, run(found.graph, found.arrays, images)) < BOUNDS[precision]


def test_it_says_in_what_it_was_compared(tmp_path: Path, found: Imported) -> None:
    made = export(found, wish("openvino", precision="bf16"), tmp_path / "m")
    assert made.difference is not None
    assert made.difference.by == f"openvino in {'bfloat16' if computes_bf16() else 'float32'}"


def test_what_it_says_of_itself(tmp_path: Path, found: Imported) -> None:
    export(found, wish("openvino", batch="2", preprocess=True), tmp_path / "m")
    model = ov.Core().read_model(tmp_path / "m/model.xml")
    assert model.get_rt_info(["cmt", "fingerprint"]).astype(str) == found.graph.fingerprint
    assert model.get_rt_info(["cmt", "output"]).astype(str) == "probabilities"
    (takes,) = model.inputs
    assert list(takes.shape) == [2, 16, 16, 3] and takes.element_type == ov.Type.u8


def test_another_export_replaces_both_files(tmp_path: Path, found: Imported) -> None:
    out = tmp_path / "m"
    export(found, wish("openvino"), out)
    first = (out / "model.bin").stat().st_size
    export(found, wish("openvino", precision="fp16"), out, overwrite=True)
    assert (out / "model.bin").stat().st_size < 0.6 * first and set(weights_by_type(out / "model.xml")) == {
        "f16"
    }
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
