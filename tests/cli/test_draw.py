"""`cmt draw`, `cmt diff` of specs and `cmt compare`, as a user starts them."""

from __future__ import annotations

import html.parser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cmt_dsl import build, cost, load
from cmt_dsl.draw.render import engines
from runtime.device import doctor
from tests.cli.cmt import cmt, process
from tests.tiny import MODELS


@pytest.mark.parametrize("level", ["model", "stage", "block", "op"])
def test_text_is_the_default_and_fits_80_columns(level: str) -> None:
    done = cmt("draw", "cmt_b", "--level", level)
    assert done.code == 0 and done.err == ""
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["cmt_b", "output", "params", "MACs", "%"]
    assert lines[-1].split() == ["total", "45.7", "M", "9.32", "G"]


def test_piped_text_is_the_same() -> None:
    assert process("draw", "cmt_nano", pipe="cat").out == cmt("draw", "cmt_nano").out


def test_a_part_and_a_set() -> None:
    done = cmt(
        "draw", "cmt_s", "--path", "stages.2.blocks.5", "--level", "op", "--set", "stages.2.args.heads=8"
    )
    assert done.code == 0
    assert "cmt_s stages.2.blocks.5" in done.out
    assert "heads=8" in done.out and "whole model" in done.out


def test_an_unknown_part_is_one_message() -> None:
    done = cmt("draw", "cmt_s", "--path", "stages.2.blocs.5")
    assert done.code == 2
    assert "CMT-410" in done.err and "did you mean" in done.err


def test_formats_to_stdout_and_to_files(tmp_path: Path) -> None:
    assert cmt("draw", "cmt_nano", "--format", "mermaid").out.splitlines()[1] == "flowchart TB"
    assert cmt("draw", "cmt_nano", "--format", "dot", "-o", "-").out.startswith('digraph "cmt_nano" {')
    svg = cmt("draw", "cmt_nano", "--format", "svg").out
    assert ElementTree.fromstring(svg.encode()).tag.endswith("svg")
    for ending, start in (
        (".png", b"\x89PNG"),
        (".mmd", b"%%{init"),
        (".gv", b"digraph"),
        (".txt", b"cmt_nano"),
    ):
        file = tmp_path / f"x{ending}"
        done = cmt("draw", "cmt_nano", "-o", file)
        assert done.code == 0 and done.out == ""
        assert done.err.startswith(str(file))
        assert file.read_bytes().startswith(start)
    assert (tmp_path / "x.txt").read_text().rstrip() == "\n".join(
        line.rstrip() for line in cmt("draw", "cmt_nano").out.splitlines()
    )


def test_an_ending_that_says_nothing_is_refused(tmp_path: Path) -> None:
    for verb in (("draw", "cmt_nano"), ("diff", "cmt_nano", "cmt_nano")):
        done = cmt(*verb, "-o", tmp_path / "x.pdf")
        assert done.code == 2 and "--format" in done.err
    assert cmt("diff", "cmt_nano", "cmt_nano", "-o", tmp_path / "x.mmd").code == 2
    assert cmt("diff", "cmt_nano", "cmt_nano", "--json", "--format", "svg").code == 2
    assert not list(tmp_path.iterdir())


def test_the_doctor_says_who_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    row = doctor._graphviz()
    assert row.state == "ok" and row.value.startswith(f"drawings by {engines()[0].name}: ")
    monkeypatch.setattr("runtime.device.doctor.engines", list)
    assert doctor._graphviz().state == "warn" and "cmt-dsl[viz]" in doctor._graphviz().fix


def test_too_large_for_github_is_noted() -> None:
    assert "note: GitHub draws up to" not in cmt("draw", "cmt_b", "--format", "mermaid").err
    done = cmt("draw", "cmt_b", "--format", "mermaid", "--level", "op", "--no-fold")
    assert done.code == 0 and "note: GitHub draws up to" in done.err
    assert done.out.count("\n") > 1000


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = cmt("draw", "cmt_nano", "-o", tmp_path / "nowhere" / "x.svg")
    assert done.code == 2 and "CMT-606" in done.err


def test_a_spec_whose_name_is_html(tmp_path: Path) -> None:
    file = tmp_path / '"><script>alert(1)<.yaml'
    file.write_text("model: evil\nextends: cmt_nano\ndoc: '\"><script>alert(1)</script>'\n")
    for format_ in ("txt", "mermaid", "dot", "svg"):
        done = cmt("draw", file, "--format", format_)
        assert done.code == 0
        assert "<script" not in done.out
    page = tmp_path / "d.html"
    assert cmt("diff", "cmt_nano", file, "-o", page).code == 0
    assert "<script" not in page.read_text()


def test_diff_of_a_model_and_itself() -> None:
    done = cmt("diff", "cmt_s", "cmt_s")
    assert (done.code, done.out) == (0, "cmt_s and cmt_s: no difference\n")


def test_diff_as_text_and_json() -> None:
    done = cmt("diff", "cmt_s", "cmt_s", "--set", "stages.2.depth=17")
    assert done.code == 0
    assert "  stages.2.depth: 16 → 17\n" in done.out
    assert "  + stages.2.blocks.16\n" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    data = cmt("diff", "cmt_s", "cmt_s", "--set", "stages.2.depth=17", "--json").json
    assert data["added"] == ["stages.2.blocks.16"] and not data["equal"]
    assert data["spec"] == [{"path": "stages.2", "attribute": "depth", "a": 16, "b": 17}]


def test_diff_drawings(tmp_path: Path) -> None:
    done = cmt("diff", "cmt_nano", "example_parallel", "--format", "svg", "--level", "block")
    root = ElementTree.fromstring(done.out.encode())
    words = "".join(root.itertext())
    assert "cmt_nano" in words and "example_parallel" in words
    for word in ("equal", "changed", "renamed", "removed", "added"):
        assert word in words
    page = tmp_path / "d.html"
    assert cmt("diff", "cmt_nano", "cmt_nano", "--set", "profile=mindcv", "-o", page).code == 0
    Balanced().check(page.read_text())
    assert cmt("diff", "cmt_nano", "cmt_nano", "--format", "dot").out.startswith("digraph")


class Balanced(html.parser.HTMLParser):
    """Every tag is closed, nothing is loaded from anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def check(self, text: str) -> None:
        assert text.startswith("<!DOCTYPE html>")
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link", "iframe")
        assert not [k for k, v in attrs if k in ("src", "href") or k.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_compare() -> None:
    done = cmt("compare", *MODELS, "--json")
    rows = {row["model"]: row for row in done.json["models"]}
    for name in MODELS:
        total = cost(build(load(name))).total
        assert rows[name]["params"]["trainable"] == total.trainable
        assert rows[name]["macs"] == total.macs
    assert {name: rows[name]["top1"] for name in MODELS} == {
        "cmt_b": 84.5, "cmt_nano": None, "cmt_s": 83.5, "cmt_ti": 79.2, "cmt_xs": 81.8, "example_attention": None, "example_parallel": None,
    }  # fmt: skip
    assert all("arXiv" in rows[name]["source"] for name in ("cmt_ti", "cmt_xs", "cmt_s", "cmt_b"))
    text = cmt("compare", "cmt_ti", "cmt_s").out
    assert "26,256,160" in text and "83.5 %" in text


def test_a_changed_model_has_no_published_accuracy() -> None:
    assert cmt("compare", "cmt_s", "--set", "stages.2.depth=15", "--json").json["models"][0]["top1"] is None
    assert cmt("compare", "cmt_s", "--set", "drop_path=0.3", "--json").json["models"][0]["top1"] == 83.5
    assert cmt("compare", "cmt_s", "--set", "profile=mindcv", "--json").json["models"][0]["top1"] == 83.15


def test_plots(tmp_path: Path) -> None:
    file = tmp_path / "family.svg"
    assert cmt("compare", "cmt_ti", "cmt_nano", "--plot", file).code == 0
    words = "".join(ElementTree.parse(file).getroot().itertext())
    assert "cmt_ti" in words and "cmt_nano" in words and "published top-1" in words
    picture = tmp_path / "family.PNG"
    assert cmt("compare", "cmt_nano", "--plot", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert cmt("compare", "cmt_nano", "--plot", tmp_path / "x.jpg").code == 2


def test_a_plot_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    done = cmt("compare", "cmt_nano", "--plot", tmp_path / "x.svg")
    assert done.code == 2 and "CMT-414" in done.err and "cmt-dsl[viz]" in done.err
