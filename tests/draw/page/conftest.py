"""The explorer pages of two shipped models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cmt_dsl import build, load
from cmt_dsl.draw.page import explorer
from cmt_dsl.ir import Graph
from tests.chromium import Seen


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """The pages of two shipped models."""
    return {name: explorer(model := load(name), build(model)) for name in ("cmt_nano", "cmt_b")}


@pytest.fixture(scope="session")
def graph() -> Graph:
    """The graph of the page that `seen` shows."""
    return build(load("cmt_b"))


@pytest.fixture
def seen(see: Any, pages: dict[str, str]) -> Iterator[Seen]:
    """The page of cmt_b, which must have kept quiet in the end."""
    found = see(pages["cmt_b"])
    yield found
    assert found.quiet()
