"""What verbs print for a person: lines, and what is being done right now."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 10.0  # seconds between lines where there is no terminal
SILENCE = 1.0  # seconds that a verb may work without a word


def console_for(as_json: bool) -> Console:
    """stdout, or stderr where stdout carries JSON."""
    from rich.console import Console

    return Console(stderr=True) if as_json else Console(file=sys.stdout)


def say(console: Console, text: str) -> None:
    """A plain line, as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


class Status:
    """The newest thing told, on a line that moves on a terminal; elsewhere the first, and then one every 10 s."""

    def __init__(self, console: Console):
        self._console, self._told = console, -EVERY
        self._live: Any = None

    def __enter__(self) -> Status:
        if self._console.is_terminal:
            self._live = self._console.status("")
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def tell(self, text: str, *, step: bool = False) -> None:
        """What is being done; where another `step` begins, it is said everywhere at once."""
        from rich.markup import escape

        if self._live:
            self._live.update(escape(text))
        elif step or time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            say(self._console, text)


def patient(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb, that says on stderr when its work takes longer than `SILENCE`, and every `EVERY` seconds after it.

    For verbs that say nothing of their own until they are done; whole lines, so that whatever they print stays legible.
    """

    @functools.wraps(verb)
    def telling(*args: Any, **options: Any) -> None:
        began, over = time.monotonic(), threading.Event()

        def tick() -> None:
            wait = SILENCE
            while not over.wait(wait):
                seconds, wait = time.monotonic() - began, EVERY
                with contextlib.suppress(ValueError, OSError):  # stderr moves while MindSpore works
                    print(f"{verb.__name__}: at work, {seconds:.0f} s …", file=sys.stderr, flush=True)

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            verb(*args, **options)
        finally:
            over.set()
            ticker.join()

    return telling
