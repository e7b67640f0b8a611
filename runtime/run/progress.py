"""What a person sees of a run: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 10.0  # seconds between lines where there is no terminal


def clock(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def epoch_line(epoch: int, epochs: int, values: dict[str, Any]) -> str:
    """What is said at the end of an epoch."""
    parts = [f"epoch {epoch}/{epochs}"]
    if values["train_loss"] is not None:
        parts.append(f"loss {values['train_loss']:.4f}")
    if "top1" in values:
        parts += [
            f"val loss {values['val_loss']:.4f}",
            f"top-1 {values['top1']:.2%}",
            f"top-5 {values['top5']:.2%}",
        ]
    if "ema_top1" in values:
        parts.append(f"ema top-1 {values['ema_top1']:.2%}")
    if values["images_per_second"]:
        parts.append(f"{values['images_per_second']:.0f} img/s")
    return "  ".join(parts)


class Progress:
    """`steps` of one run, `done` of them before; `advance` after each, `say` for lines that stay."""

    def __init__(self, console: Console, steps: int, epochs: int, batch: int, done: int = 0):
        self._console, self._steps, self._epochs, self._batch = console, steps, epochs, batch
        self._live = None
        self._done = self._first = done
        self._began = self._told = time.monotonic()
        self._shown = ""

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Live

            self._live = Live(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[facts]}"),
                console=self._console,
                transient=True,
            )
            self._live.start()
            self._task = self._live.add_task("starting", total=self._steps, facts="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        (self._live.console if self._live else self._console).print(
            text, highlight=False, soft_wrap=True, markup=False
        )

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None, None, None]:
        """Show `what` with its running seconds: for compilation, which has no steps."""
        began, over = time.monotonic(), threading.Event()

        def tick() -> None:
            while not over.wait(1.0 if self._live else EVERY):
                seconds = int(time.monotonic() - began)
                if self._live:
                    self._live.update(self._task, description=f"{what} {seconds} s")
                else:
                    self.say(f"{what} {seconds} s")

        if self._live:
            self._live.update(self._task, description=what)
        else:
            self.say(what)
        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()
        self._began = self._told = time.monotonic()  # speed and ETA count from here

    def advance(self, epoch: int, loss: float | None) -> None:
        """One step done; `loss` where it was read."""
        self._done += 1
        now = time.monotonic()
        if loss is not None:
            self._shown = f"loss {loss:.4f}"
        # the first step was compilation and does not count
        seconds = max(now - self._began, 1e-9)
        rate = (self._done - self._first - 1) / seconds
        left = (self._steps - self._done) / rate if rate > 0 else 0.0
        facts = f"{self._shown}  {rate * self._batch:.0f} img/s  ETA {clock(left)}"
        if self._live:
            self._live.update(
                self._task, completed=self._done, description=f"epoch {epoch}/{self._epochs}", facts=facts
            )
        elif now - self._told >= EVERY:
            self._told = now
            self.say(f"epoch {epoch}/{self._epochs}  step {self._done}/{self._steps}  {facts}")

    def aside(self, what: str) -> None:
        """Name what is happening between steps, such as validation."""
        if self._live:
            self._live.update(self._task, description=what)
        elif time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            self.say(what)
