"""`make test` gets a browser by itself, or says what it left out; both commands install what is pinned."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import browsers
from tests.tiny import ROOT


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as PATH, and a Python that has no Playwright."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(browsers.NAMED, raising=False)
    monkeypatch.delenv(browsers.UNWANTED, raising=False)
    program(tmp_path / "python", "exit 1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return tmp_path


def program(path: Path, does: str) -> None:
    path.write_text(f"#!/bin/sh\necho \"$0 $*\" >>'{path.parent}/log'\n{does}\n")
    path.chmod(0o755)


def asked(machine: Path) -> list[str]:
    log = machine / "log"
    return [line.split("/")[-1] for line in log.read_text().splitlines()] if log.exists() else []


INSTALLS = "[ $1 = install ] && : >'{0}/chromium' && /bin/chmod 755 '{0}/chromium'; exit 0"


@pytest.mark.parametrize("name", browsers.PROGRAMS)
def test_a_browser_on_the_path_is_taken(machine: Path, name: str) -> None:
    program(machine / name, "")
    assert browsers.find() == str(machine / name)
    browsers.main()
    assert asked(machine) == []


def test_one_that_is_named_goes_before_and_must_be_there(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(machine / "chromium", "")
    monkeypatch.setenv(browsers.NAMED, str(machine / "mine"))
    assert browsers.find() is None and "mine" in browsers.install()
    program(machine / "mine", "")
    assert browsers.find() == str(machine / "mine")


def test_root_with_apt_installs_debians(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(machine / "apt-get", INSTALLS.format(machine))
    browsers.main()
    assert browsers.find() == str(machine / "chromium")
    assert [line.split()[1] for line in asked(machine) if line.startswith("apt-get")] == ["update", "install"]


def test_without_root_playwright_is_asked(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(machine / "apt-get", "exit 9")
    own = f"if [ -e '{machine}/own' ]; then echo '{machine}/own'; else exit 1; fi"
    program(machine / "python", f"[ \"$2\" = playwright ] && : >'{machine}/own' && exit 0\n{own}")
    browsers.main()
    assert browsers.find() == str(machine / "own")
    assert "python -m playwright install chromium" in asked(machine)
    assert not any(line.startswith("apt-get") for line in asked(machine))


def test_where_nothing_helps_it_says_what_was_tried(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(machine / "apt-get", "echo 'no network' >&2; exit 100")
    program(machine / "python", "echo 'no download' >&2; exit 1")
    browsers.main()
    said = capsys.readouterr().err
    assert "apt-get: no network; playwright install chromium: no download" in said
    assert browsers.missing() in said


def test_unwanted_asks_nobody(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browsers.UNWANTED, "1")
    browsers.main()
    assert asked(machine) == []


PAGE_TEST = "def test_page(see):\n    pass\n\ndef test_other():\n    pass\n"


@pytest.mark.parametrize(("unwanted", "workers", "code"), [("", "0", 3), ("1", "0", 0), ("", "2", 3)])
def test_tests_of_pages_that_are_left_out_are_said_aloud(
    tmp_path: Path, unwanted: str, workers: str, code: int
) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_it.py").write_text(PAGE_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CMT_CHROMIUM": "/nowhere", "CMT_NO_BROWSER": unwanted},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "tests of pages were LEFT OUT" in done.stdout and "1 passed, 1 skipped" in done.stdout


def test_what_the_commands_install_is_pinned_by_version_alone() -> None:
    try:
        import tomllib
    except ImportError:  # Python 3.10, where pytest brings it
        import tomli as tomllib

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; [^/@]+)?", line) for line in lines), lines
    pinned = {line.partition("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["demo"], *extras["dev"], *extras["viz"]]
    names = {re.split(r"[\[<>=~! ]", text)[0].lower() for text in wanted} - {"cmt-dsl"}
    assert names <= pinned, names - pinned


def test_ci_runs_the_command_of_the_readme() -> None:
    steps = [
        line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert steps[-1] == "make test"
    assert "make test" in (ROOT / "README.md").read_text()
