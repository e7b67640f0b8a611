"""Every test run sets the processor variables before MindSpore can be imported, and says aloud what it left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")

from tests import browsers
from tests.chromium import browser, see  # noqa: F401

LEFT_OUT = 3
"""pytest's exit code where everything passed that could run, and the tests of pages could not."""


SLOWEST = (
    "e2e/test_demo.py", "runtime/jobs/test_launch.py", "golden/test_parity.py", "e2e/test_mindcv_recipe.py",
    "runtime/cli/test_train_cli.py", "property/test_edits.py", "runtime/checkpoint/test_convert.py",
    "runtime/engines/test_parts.py", "runtime/train/test_resume.py", "e2e/test_modes.py",
    "runtime/jobs/test_equal.py", "runtime/cli/test_data_cli.py", "runtime/checkpoint/test_adapt.py",
)  # fmt: skip
"""Files of minutes, the longest first: begun last, one of them would hold a whole run for itself."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files without the framework first, for what they find they find in seconds; then the slowest; then the others."""
    slow = {
        item.path for item in items if item.get_closest_marker("mindspore") or item.get_closest_marker("slow")
    }
    rank = {Path(__file__).parent / name: place for place, name in enumerate(SLOWEST)}

    def order(item: pytest.Item) -> tuple[bool, int]:
        return item.path in slow, rank.get(item.path, len(rank))

    items.sort(key=order)


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
