"""`cmt bench infer`: its table, JSON and plot, what it refuses, and Ctrl-C; no time is asserted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from cmt_dsl import build, cost, load
from runtime.deploy.bench import figures, infer, matmul, plot
from runtime.deploy.bench.contender import Contender
from runtime.deploy.bench.figures import Asked, Report, nearest_rank
from runtime.deploy.bench.interleave import Session, Track
from runtime.deploy.bench.machine import machine
from runtime.infer.backends.numpy import NumPy
from tests.cli.cmt import cmt
from tests.runtime.checkpoint.samples import SMALL, checkpoint_of, saved
from tests.tiny import ATOM, ROOT

QUICK = ["--rounds", "2", "--seconds", "0.01", "--threads", "1"]
NUMPY = [*QUICK, "--backend", "numpy", "--batch", "1", "--no-peak"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Report, Path]:
    """One run of all: two batches, a precision that NumPy lacks, and the peak, by NumPy alone for it is quick."""
    folder = tmp_path_factory.mktemp("bench")
    options = ["--backend", "numpy", "--batch", "2,1", "--precision", "float32,bfloat16"]
    files = ["--json", folder / "b.json", "--plot", folder / "b.svg"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matmul, "NEEDS", {"numpy": ("numpy",)})
        done = cmt("bench", "infer", ATOM, *QUICK, *options, *files)
    return done, Report.model_validate_json((folder / "b.json").read_text()), folder


def test_the_report_is_data_by_its_schema(whole: tuple[Any, Report, Path]) -> None:
    done, made, folder = whole
    assert done.code == 0, done.err
    assert made.form == "cmt-bench-infer-1" and made.complete
    assert made.asked == Asked(
        models=(ATOM,), backends=("numpy",), precisions=("float32", "bfloat16"), batches=(2, 1), threads=1,
        rounds=2, seconds=0.01, size=None, optimise=True, peak=True,
    )  # fmt: skip
    written = json.loads((folder / "b.json").read_text())
    schema = Report.model_json_schema()
    assert set(written) == set(schema["properties"]) == set(schema["required"]) | {"form"}
    assert {"numpy", "python"} <= set(made.machine.versions) and made.machine.cores >= 1


def test_its_figures_follow_from_the_times(whole: tuple[Any, Report, Path]) -> None:
    _, made, _ = whole
    macs = cost(build(load(ATOM))).total.macs
    assert [(row.model, row.backend, row.precision, row.batch) for row in made.rows] == [
        ("atom", "numpy", "float32", 1), ("atom", "numpy", "float32", 2),
    ]  # fmt: skip
    for row in made.rows:
        assert row.rounds == 2 and row.calls >= 2 and 0 < row.median_s <= row.p95_s
        assert row.images_per_s == pytest.approx(row.batch / row.median_s)
        assert row.gflops == pytest.approx(2e-9 * macs * row.batch / row.median_s)
        assert row.memory_bytes > 10 << 20 and row.load_s > 0 and row.first_s > 0 and row.spread >= 0
        (peak,) = [p for p in made.peaks if (p.precision, p.batch) == ("float32", row.batch)]
        assert row.peak_share == pytest.approx(row.gflops / peak.gflops)
        assert all(rate <= peak.gflops for rate in peak.others.values())


def test_the_table_and_what_is_not_measured(whole: tuple[Any, Report, Path]) -> None:
    done, made, folder = whole
    lines = done.out.splitlines()
    table = [line for line in lines if line.startswith(("backend", "numpy"))]
    assert len(table) == 4 and all(len(line) <= 80 for line in table)
    titles = [line.split(",")[1] for line in lines if line.startswith("atom, batch")]
    assert titles == [" batch 1", " batch 2"]
    (lacking,) = [line for line in lines if "bfloat16, batch 1, 2" in line]
    assert lacking in made.notes and "[CMT-804]" in lacking
    assert any(line.startswith("matmul peak in float32") for line in lines)
    assert "<svg" in (folder / "b.svg").read_text()


def test_peaks_are_not_claimed_where_nothing_was_measured() -> None:
    reference = Contender("matrix product", "openvino", "bfloat16", 1, 0, ())
    session = Session(threads=1, rounds=1, seconds=1)
    session.references = [
        Track(reference, lost="OpenVINO computes bfloat16 products in f32 on this processor")
    ]
    model = Contender("m", "numpy", "bfloat16", 1, 10**9, ())
    session.tracks = [Track(model, [[0.5, 0.5], [1.0]], {"load_s": 1.0, "first_s": 1.0})]
    session.peaks = {1: []}
    asked = Asked(models=("m",), backends=("numpy",), precisions=("bfloat16",), batches=(1,), threads=1, rounds=1,
                  seconds=1.0, size=None, optimise=True, peak=True)  # fmt: skip
    made = figures.report(session, asked, machine())
    (row,) = made.rows
    assert row.peak_share is None and row.gflops == pytest.approx(4.0) and row.spread == pytest.approx(1.0)
    assert "not measured: OpenVINO computes bfloat16 products in f32" in made.notes[0]


def test_nearest_rank() -> None:
    assert nearest_rank([3.0, 1.0, 2.0], 0.95) == 3.0
    assert nearest_rank([float(n) for n in range(1, 101)], 0.95) == 95.0


def test_a_checkpoint_and_a_spec_of_another_size(tmp_path: Path) -> None:
    file = saved(tmp_path / "small.safetensors", checkpoint_of(SMALL))
    done = cmt("bench", "infer", file, ATOM, *NUMPY, "--json", tmp_path / "b.json")
    assert done.code == 0 and "tiny, batch 1" in done.out and "atom, batch 1" in done.out
    assert {row["model"] for row in json.loads((tmp_path / "b.json").read_text())["rows"]} == {"tiny", "atom"}
    refused = cmt("bench", "infer", file, *NUMPY, "--size", "16x16")
    assert (
        refused.code == 2
        and "weights for 8x8 pixels, not for 16x16" in refused.err
        and "CMT-863" in refused.err
    )
    larger = cmt("bench", "infer", ATOM, *NUMPY, "--size", "16x32", "--no-optimise")
    macs = cost(build(load(ATOM, set={"input.size": [16, 32]}))).total.macs
    assert larger.code == 0 and f"{macs / 1e6:.3g} MMACs" in larger.out and "as specified" in larger.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch", "0"], "CMT-863"),
        (["--batch", "1,,8"], "CMT-863"),
        (["--batch", "eight"], "CMT-863"),
        (["--batch", "-1"], "CMT-863"),
        (["--batch", "²"], "CMT-863"),
        (["--precision", "float31"], "CMT-863"),
        (["--precision", ""], "CMT-863"),
        (["--threads", "0"], "CMT-863"),
        (["--threads", "100000"], "CMT-863"),
        (["--rounds", "0"], "CMT-863"),
        (["--seconds", "0"], "CMT-863"),
        (["--seconds", "nan"], "CMT-863"),
        (["--seconds", "inf"], "CMT-863"),
        (["--size", "8x8x8"], "CMT-863"),
        (["--size", "x"], "CMT-863"),
        (["--backend", "nump"], "did you mean 'numpy'?"),
        (["--backend", "numpy,torch"], "CMT-840"),
        (["--backend", "numpy:moon"], "CMT-862"),
        (["--plot", "b.jpg"], "CMT-863"),
        (["--plot", "gone/b.png"], "CMT-863"),
    ],
)
def test_odd_arguments_are_one_clear_error(tmp_path: Path, options: list[str], said: str) -> None:
    done = cmt("bench", "infer", ATOM, *options, cwd=tmp_path)
    told = done.out + done.err
    assert done.code == 2 and said in told and told.count("hint: ") == 1 and "Traceback" not in told, told
    assert len(told.splitlines()) == 2 and told.splitlines()[0].endswith("]")
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_has_no_folder_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = cmt("bench", "infer", ATOM, *NUMPY, "--json", "gone/b.json", cwd=tmp_path)
    (problem,) = done.json["problems"]  # whoever asks for JSON is told so
    assert done.code == 2 and problem["code"] == "CMT-863" and "no folder gone" in problem["message"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_backend_is_a_line_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.infer import backend

    class Absent(NumPy):
        name = "absent"

        def missing(self) -> str | None:
            return "its library is not installed"

    monkeypatch.setitem(backend._registered, "absent", Absent)
    done = cmt("bench", "infer", ATOM, *NUMPY, "--backend", "absent,numpy")
    assert done.code == 0 and "absent cannot work here: its library is not installed [CMT-841]" in done.out
    assert any(line.startswith("numpy") for line in done.out.splitlines())
    alone = cmt("bench", "infer", ATOM, *NUMPY, "--backend", "absent")
    assert alone.code == 2 and "CMT-862" in alone.err and "not installed" in alone.err


def test_nothing_usable_is_an_error() -> None:
    done = cmt("bench", "infer", ATOM, *NUMPY, "--precision", "float16")
    assert done.code == 2 and "nothing could be measured" in done.err and "[CMT-862]" in done.err
    assert "CMT-804" in done.err


def test_a_plot_without_matplotlib_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(infer, "contenders", lambda what: pytest.fail("it was begun"))
    done = cmt("bench", "infer", ATOM, *NUMPY, "--plot", tmp_path / "b.png")
    assert done.code == 2 and "CMT-414" in done.err and "cmt-dsl[viz]" in done.err


def test_a_picture_has_a_bar_for_each_row(whole: tuple[Any, Report, Path]) -> None:
    _, made, _ = whole
    mpl, kind = plot.plotter(Path("b.png"))
    assert plot.picture(made, mpl, kind).startswith(b"\x89PNG")


def test_ctrl_c_ends_all_children_and_prints_what_was_measured(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "runtime.cli",
        "bench",
        "infer",
        ATOM,
        "--backend",
        "numpy",
        "--batch",
        "1",
    ]
    command += ["--no-peak", "--rounds", "1000", "--seconds", "20", "--json", str(tmp_path / "b.json")]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1"}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:  # what it tells of its rounds comes at once, and then every ten seconds
        assert "loading" in line
        break
    until = time.monotonic() + 30
    children: list[psutil.Process] = []
    while time.monotonic() < until and not any(child.cpu_times().user > 0.6 for child in children):
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    assert children
    time.sleep(1.0)  # a round takes 0.02 s
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "stopped: this is what was measured before" in out and "Traceback" not in out + err
    made = Report.model_validate_json((tmp_path / "b.json").read_text())
    assert not made.complete and 1 <= made.rows[0].rounds < 1000
    assert not any(child.is_running() for child in children)
