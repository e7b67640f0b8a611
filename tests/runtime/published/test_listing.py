"""The list: what ships is right, what is one's own is checked, and nothing here needs the network."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.spec import names
from runtime.checkpoint.recognise import names_of
from runtime.codes import RUNTIME_CODES
from runtime.published.listing import find, published
from tests.architecture.test_files import RUNTIME, codes_in
from tests.architecture.test_imports import COMMAND, modules_after
from tests.cli.cmt import cmt
from tests.runtime.published.made import listed
from tests.tiny import ROOT

SHIPPED = list(published())
NETWORK = {"requests", "httpx", "urllib3", "ssl", "http"}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_names_models_that_its_files_can_fit(name: str) -> None:
    what = find(name)
    assert what.entry.model in names("models") and what.entry.profile == what.model.profile.profile
    assert names_of(what.graph, what.entry.profile or "")  # the publisher's naming covers the model
    assert re.search(r" at commit [0-9a-f]{7}$", what.entry.read_in)
    assert what.entry.url and what.entry.url.startswith("https://")
    assert what.model.classes == 1000 and what.entry.classes == "imagenet"
    assert what.top1 is not None and what.top1 > 70


def test_the_published_accuracies() -> None:
    assert {name: each.top1 for name, each in published().items()} == {
        "cmt_ti": 79.0, "cmt_xs": 81.8, "cmt_s": 83.5, "cmt_b": 84.5,
        "cmt_s@mindcv": 83.15, "cmt_s@mindcv-2023": 83.24,
    }  # fmt: skip


def test_what_people_see() -> None:
    shown = cmt("weights", "list").out
    assert len(shown.splitlines()) < 40
    for line in shown.splitlines():
        assert len(line) <= 80 or line.startswith("  https://")
    for word in (*SHIPPED, "83.24", "Apache-2.0", "MIT", "CMT.pytorch", "mindcv"):
        assert word in shown
    rows = cmt("weights", "list", "--json").json
    assert [row["name"] for row in rows] == SHIPPED
    assert all(row["file"] is None and row["seen"] is None and row["part"] == 0 for row in rows)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a typo": ({"url": "http://a.example/w", "licence": "MIT"}, "did you mean 'license'?"),
    "no address": ({}, "one of the two"),
    "two addresses": ({"url": "http://a.example/w", "page": "http://a.example/w"}, "one of the two"),
    "a file address": ({"url": "file:///etc/passwd"}, "https:// or http://"),
    "a path": ({"url": "w.pth"}, "https:// or http://"),
    "a port that is none": ({"url": "http://a.example:x/w"}, "https:// or http://"),
    "a password": ({"url": "https://me:secret@a.example/w"}, "no password"),
    "a path for a name": ({"url": "http://a.example/w", "name": "../../w"}, "name"),
    "a digest that is none": ({"url": "http://a.example/w", "sha256": "xyz"}, "sha256"),
    "no licence": ({"url": "http://a.example/w", "license": None}, "license"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_list_is_checked_with_places(what: str, tmp_path: Path) -> None:
    entry, words = BAD[what]
    done = cmt("weights", "list", "--list", listed(tmp_path, entry))
    assert (
        done.code == 2 and words in done.err and re.match(r"\S*list\.yaml:\d+:\d+: weights\.0", done.err)
    ), done.err


def test_a_name_means_one_file(tmp_path: Path) -> None:
    done = cmt("weights", "list", "--list", listed(tmp_path, {"name": "cmt_s", "url": "http://a.example/w"}))
    assert done.code == 2 and "specs/published.yaml:" in done.err and "cmt_s@VARIANT" in done.err
    assert "CMT-650" in done.err


def test_other_files_are_no_lists(tmp_path: Path) -> None:
    for file in (ROOT / "specs/models/cmt_s.yaml", tmp_path / "gone.yaml"):
        done = cmt("weights", "list", "--list", file)
        assert done.code == 2 and "CMT-10" in done.err


def test_a_list_of_ones_own_and_a_model_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("extends: cmt_nano\nmodel: mine\nclasses: 7\n")
    entry = {"name": "mine", "model": "./mine.yaml", "profile": "mindcv", "url": "http://a.example/w"}
    file = listed(tmp_path, entry | {"set": {"input.size": 64}})
    monkeypatch.setenv("CMT_WEIGHTS_LIST", str(file))
    what = find("mine")
    wanted = load("cmt_nano", set={"classes": 7, "profile": "mindcv", "input.size": 64})
    assert what.graph.params == build(wanted).params
    monkeypatch.chdir(tmp_path.parent)
    assert find("mine").model.profile.profile == "mindcv"
    with pytest.raises(CmtError, match="known as 'yours'"):
        find("yours")


def test_a_wrong_model_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    file = listed(tmp_path, {"model": "cmt_nono", "url": "http://127.0.0.1:1/w"})
    done = cmt("weights", "get", "nano", "--list", file)
    assert done.code == 2 and "CMT-101" in done.err and "127" not in done.err


@pytest.mark.parametrize(
    "code",
    [
        "import cmt_dsl",
        COMMAND.format(args=["check", "cmt_s"]),
        COMMAND.format(args=["weights", "list"]),
        "import runtime.train.start, runtime.published.take, runtime.cli.app, runtime.checkpoint.load",
    ],
)
def test_only_fetching_loads_the_network(code: str) -> None:
    allowed = {"http", "ssl"} if "take" in code else set()
    assert modules_after(code) & NETWORK <= allowed


def test_every_code_is_raised_and_looked_for() -> None:
    ours = {code for code in RUNTIME_CODES if code.startswith("CMT-65")}
    raised = codes_in([file for file in RUNTIME if "published" in file.parts])
    tested = codes_in(list(Path(__file__).parent.glob("*.py")))
    assert ours <= raised.keys() and ours <= tested.keys()


def test_the_list_that_the_readme_shows(tmp_path: Path) -> None:
    text = (ROOT / "runtime/README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^    published: acme\n(?:    .*\n)+", text, flags=re.MULTILINE)
    (tmp_path / "acme.yaml").write_text(textwrap.dedent(shown), encoding="utf-8")
    what = published([tmp_path / "acme.yaml"])["cmt_s@acme"]
    assert what.model.classes == 37 and what.entry.model_fields_set >= {"sha256", "bytes", "weights", "set"}
