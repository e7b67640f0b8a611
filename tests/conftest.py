"""Every test run sets the processor variables before MindSpore can be imported, and says aloud what it left out."""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")

from tests import browsers
from tests.chromium import browser, see  # noqa: F401

LEFT_OUT = 3
"""pytest's exit code where everything passed that could run, and the tests of pages could not."""


def _without_browser(config: pytest.Config) -> list[Any]:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return [report for report in skipped if browsers.missing() in str(report.longrepr)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A browser that is missing is a failure, unless the user accepts it."""
    if session.exitstatus == 0 and not browsers.unwanted() and _without_browser(session.config):
        session.exitstatus = LEFT_OUT


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Which tests were left out for want of a browser, by file."""
    reports = _without_browser(config)
    if not reports:
        return
    files: dict[str, int] = {}
    for report in reports:
        file = report.nodeid.partition("::")[0]
        files[file] = files.get(file, 0) + 1
    terminalreporter.section("tests of pages were LEFT OUT", sep="!", red=True, bold=True)
    terminalreporter.line(f"{len(reports)} tests: {browsers.missing()}")
    for file, count in files.items():
        terminalreporter.line(f"  {file}: {count}")
