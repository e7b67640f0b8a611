"""A real Chromium, headless, with the network cut off and watched; for every page that this project writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import browsers

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@dataclass
class Seen:
    """An open page, what its console said and which addresses it asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def quiet(self) -> bool:
        """Whether the page asked for nothing and complained of nothing."""
        assert (self.said, self.asked) == ([], [])
        return True

    def search(self, text: str) -> None:
        self.page.fill("#query", text)
        self.page.keyboard.press("Enter")

    def path(self) -> str:
        """The path that the details are about."""
        return self.page.inner_text("#details h2")

    def item(self, title: str) -> Any:
        """The visible box whose spoken name starts with a title."""
        return self.page.locator(f'[role=treeitem][aria-label^="{title},"]').first


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    program = browsers.find()
    if program is None or browsers.unwanted():
        pytest.skip(browsers.missing())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def see(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens HTML text from a file; `options` are those of a browser context."""
    contexts: list[Any] = []

    def open_(html: str, **options: Any) -> Seen:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        seen = Seen(context.new_page())

        def watch(route: Any) -> None:
            if route.request.url == file.as_uri():
                route.continue_()
            else:
                seen.asked.append(route.request.url)
                route.abort()

        context.route("**/*", watch)
        seen.page.on("console", lambda message: seen.said.append(message.text))
        seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.said.append(dialog.message), dialog.dismiss()))
        seen.page.goto(file.as_uri())
        seen.page.wait_for_selector("#graph[data-seen], :root[data-ready]")
        return seen

    yield open_
    for context in contexts:
        context.close()
